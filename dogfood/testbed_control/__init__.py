"""Control of the testbed: its processes, experiment, accounts, stream and table."""
