"""Locust's own file is for Locust: collecting it would patch the interpreter that runs tests."""

collect_ignore = ["locustfile.py"]
