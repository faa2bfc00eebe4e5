"""A live kernel without the notebook: an endpoint in a thread, a main thread that waits or works.

    python kernel.py MODEL

Prints the endpoint's address. Each line on standard input is a number of seconds for which the
main thread then computes in pure Python; it says when it is done, and ends with its input.
"""

import sys
import time

import capstone_lib as cap


def compute(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(number * number for number in range(1_000))


def main() -> None:
    with cap.serve(cap.load_model(sys.argv[1])) as endpoint:
        print(endpoint.url, flush=True)
        for line in sys.stdin:
            compute(float(line))
            print("done", flush=True)


if __name__ == "__main__":
    main()
