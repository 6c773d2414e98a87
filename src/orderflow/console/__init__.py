"""The operations console: pages for people, rendered here from what the public HTTP APIs of both services
answer. It knows neither their code nor their databases."""
