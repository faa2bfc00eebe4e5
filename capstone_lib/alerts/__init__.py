"""What follows from a number: rules in a playbook, and the alerts that measurements raise."""

from capstone_lib.alerts.actions import act
from capstone_lib.alerts.alert import Alert, Silence, alerts_frame
from capstone_lib.alerts.book import AlertBook
from capstone_lib.alerts.evaluate import evaluate_alerts
from capstone_lib.alerts.playbook import Playbook, Webhook, load_playbook
from capstone_lib.alerts.records import ActionRecord
from capstone_lib.alerts.rule import BurnRate, NoiseFloor, Rule
from capstone_lib.alerts.scaling import replicas_wanted

__all__ = [
    "ActionRecord",
    "Alert",
    "AlertBook",
    "BurnRate",
    "NoiseFloor",
    "Playbook",
    "Rule",
    "Silence",
    "Webhook",
    "act",
    "alerts_frame",
    "evaluate_alerts",
    "load_playbook",
    "replicas_wanted",
]
