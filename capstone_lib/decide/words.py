"""What the table says in words: what no run measures."""

__all__ = ["COLUMNS", "ROWS", "WORDS"]

COLUMNS = ("batch", "real time", "hybrid")
ROWS = (
    "latency",
    "throughput",
    "complexity",
    "cost model",
    "use cases",
    "monitoring needs",
    "human in the loop",
)

WORDS = {
    ("latency", "batch"): "An answer is read in no time, and is as old as the last run.",
    ("latency", "real time"): "Somebody waits: the slowest hundredth is what they remember.",
    ("latency", "hybrid"): "As batch for those who have a fresh score, as real time for others.",
    ("throughput", "batch"): "Everybody at once, in large pieces; whoever asks does not matter.",
    ("throughput", "real time"): "One at a time; bursts need room, or some are turned away.",
    ("throughput", "hybrid"): "Nightly scores take load off the endpoint, as long as they come.",
    ("complexity", "batch"): "A job, a schedule, a store. It may fail at night and run again.",
    ("complexity", "real time"): "A service that must not stop: capacity, rollout, somebody on "
    "call; features must be at hand when asked.",
    ("complexity", "hybrid"): "Both, and a rule for what is fresh; two paths that must give the "
    "same answer.",
    ("cost model", "batch"): "Paid by the run, for everybody scored, asked about or not.",
    ("cost model", "real time"): "Paid by the hour, asked or not: the autoscaling floor.",
    ("cost model", "hybrid"): "Both: saves cores only where the endpoint needs more than its "
    "floor.",
    ("use cases", "batch"): "Letters, lists of calls, reports: known ahead, and nobody waits.",
    ("use cases", "real time"): "Card fraud, triage: new facts, and an answer at once.",
    ("use cases", "hybrid"): "Advice at a counter: most are known ahead, some walk in.",
    ("monitoring needs", "batch"): "Did it run, was it late, what was rejected; drift by the run.",
    ("monitoring needs", "real time"): "p99, errors, load shed, by the minute; drift by the "
    "window.",
    ("monitoring needs", "hybrid"): "Both, and hit rate, age of what is passed on, and parity.",
    ("human in the loop", "batch"): "A queue until the answers are due: there is time.",
    ("human in the loop", "real time"): "A person takes minutes: say what is answered meanwhile.",
    ("human in the loop", "hybrid"): "Cases known ahead are reviewed at leisure, others as in "
    "real time.",
}  # fmt: skip
