"""Freed memory stays with the process."""

import platform
import resource

import pytest
import torch

from genbench.training.memory import keep_freed


def faults(size):
    """Page faults of 50 tensors of so many bytes, each freed before the next."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        torch.zeros(size // 4).add_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_large_tensors_reuse_memory(monkeypatch):
    assert keep_freed()
    faults(2**24)
    assert faults(2**24) < 2**24 // 4096  # the system's own pages would be mapped 50 times


def test_users_settings_win(monkeypatch):
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    assert not keep_freed.__wrapped__()
