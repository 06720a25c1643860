"""Background work: job queues, the handlers of each job kind, the worker process."""
