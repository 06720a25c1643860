"""Forges behind one protocol: pull requests of GitHub and GitLab, over REST or through the person's own command line."""
