"""Sessions in real browsers: each scenario a short file, played by Playwright against a wiki."""
