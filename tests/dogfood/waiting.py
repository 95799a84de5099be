"""A module that never ends by itself, for tests of what ends it."""

import time

while True:
    time.sleep(1)
