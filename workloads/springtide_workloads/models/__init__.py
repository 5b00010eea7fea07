"""Models: each is a frozen configuration that builds a module."""

from springtide_workloads.models.config import ModelConfig, config_of, described

__all__ = ["ModelConfig", "config_of", "described"]
