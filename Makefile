.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
