"""The scheduler process: plan, push, sweep, watch. Several may run at once."""
