"""Work that may take its time: alarms, retention, reports. It is named by dotted path and called by RQ."""
