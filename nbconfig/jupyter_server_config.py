"""JupyterLab's server for the course; `capstone lab` puts this file in force."""

c = get_config()  # noqa: F821 - Jupyter defines it

# Messages between server and kernel are encrypted; without this ipykernel warns in every log.
c.KernelManager.transport_encryption = "auto"
