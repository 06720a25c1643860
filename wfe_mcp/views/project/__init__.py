"""The project as views: settings, policy, activity, jobs."""
