"""The testbed's life: its processes, its experiment, its accounts, its stream and table."""
