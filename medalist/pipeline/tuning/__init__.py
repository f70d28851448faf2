"""Fine-tuning: what is refused and told (`checks`, `notes`), trained (`trainings`, `serving`) and answers (`tuned`)."""
