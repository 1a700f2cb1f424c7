"""What gunicorn serves: the application with the environment's settings and the credentials that AWS's chain finds."""

from __future__ import annotations

import os
import sys

from botocore.session import Session
from flask import Flask

from web_application import create_app
from web_application.config import Config, WrongSetting


def make() -> Flask:
    """Ends the process with a sentence when a setting is missing or wrong, or there are no credentials."""
    try:
        config = Config.from_environment(os.environ)
    except WrongSetting as error:
        sys.exit(f"The page cannot start. {error}")
    credentials = Session().get_credentials()
    if credentials is None:
        sys.exit("The page cannot start. No AWS credentials were found; expected a task role or AWS_ACCESS_KEY_ID")
    return create_app(config, credentials)
