"""The competition's rules: what a run uses (`used`), what of it they forbid (`breaches`), what winners must tell
(`disclosure`)."""
