"""Shared by all tests: configs, plans and the testbed's services."""

import os

from hypothesis import settings

# Machines are shared and noisy: how long an example takes says nothing.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")

# A proxy in the environment must not stand between the tests and their own servers.
for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
    os.environ.pop(name, None)
