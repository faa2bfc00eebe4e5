"""What follows from a number: rules in a playbook, and the alerts that measurements raise."""

from capstone_lib.alerts.alert import Alert, Silence, alerts_frame
from capstone_lib.alerts.evaluate import evaluate_alerts
from capstone_lib.alerts.playbook import Playbook, Webhook, load_playbook
from capstone_lib.alerts.rule import BurnRate, NoiseFloor, Rule

__all__ = [
    "Alert",
    "BurnRate",
    "NoiseFloor",
    "Playbook",
    "Rule",
    "Silence",
    "Webhook",
    "alerts_frame",
    "evaluate_alerts",
    "load_playbook",
]
