"""What a person may submit: read, checked, and answered with every problem beside its field."""
