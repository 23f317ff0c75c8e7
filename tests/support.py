"""Machines and rows that several tests stand on."""

from grpoctl.machine import Machine

LAPTOP = Machine("laptop", 2, 8.0, 50.0, (), 0)
GPU = Machine("server", 16, 128.0, 500.0, ("NVIDIA H200",), 0)

ROWS = [{"instruction": f"{n} + 1?", "input": "", "output": str(n + 1)} for n in range(10, 30)]
