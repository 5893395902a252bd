"""GPUs on any machine: a fixed list stands for what there is; a driver is asked where there is one."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tuning.backends.harness import ProcessTrials
from tuning.backends.gpus import Device, Grant, Request, allocate, discover, never, read_devices, sample, waiting
from tuning.errors import InvalidSpec

GB = 10**9
FOUR = tuple(Device(str(number), 80 * GB) for number in range(4))


class TestTheSetting:
    @pytest.mark.parametrize(
        ("text", "devices"),
        [
            ("", ()),
            ("0:80GB,1:80GB", (Device("0", 80 * GB), Device("1", 80 * GB))),
            (" GPU-8f-1 : 1.5 GiB ", (Device("GPU-8f-1", 3 << 29),)),
            ("0:512MiB, 1:1tb", (Device("0", 512 << 20), Device("1", 10**12))),
        ],
    )
    def test_it_is_read(self, text: str, devices: tuple[Device, ...]) -> None:
        assert read_devices(text) == devices

    def test_every_fault_is_told_at_once(self) -> None:
        with pytest.raises(InvalidSpec) as error:
            read_devices("0:80GB,1,:8GB,2:0GB,3:-1GB,0:40GB,a b:1GB,4:eightGB")
        fields = [fault.field for fault in error.value.faults]
        assert fields == [f"HPT_GPUS[{number}]" for number in (1, 2, 3, 4, 5, 6, 7)]


class TestAllocating:
    @pytest.mark.parametrize(
        ("held", "request_", "devices"),
        [
            ([], Request(0), ()),
            ([], Request(1), ("0",)),
            ([], Request(4), ("0", "1", "2", "3")),
            ([Grant(("1",))], Request(2), ("0", "2")),
            ([Grant(("0", "1"))], Request(3), None),  # all or none
            # Shares are packed, and keep away from whole grants; whole grants from shares.
            ([Grant(("2",), 30 * GB)], Request(1, 30 * GB), ("2",)),
            ([Grant(("2",), 60 * GB)], Request(1, 30 * GB), ("0",)),
            ([Grant(("2",), 60 * GB), Grant(("3",), 50 * GB)], Request(1, 20 * GB), ("2",)),
            ([Grant(("2",), 1)], Request(4), None),
            ([Grant(("0",)), Grant(("1",))], Request(1, 80 * GB), ("2",)),
            ([Grant(("0",), 80 * GB)] * 1 + [Grant(("1", "2", "3"))], Request(1, 1), None),
            ([Grant(("0",), 50 * GB)], Request(4, 30 * GB), ("0", "1", "2", "3")),
            ([Grant(("0",), 60 * GB)], Request(4, 30 * GB), None),
            ([Grant(("gone",))], Request(4), ("0", "1", "2", "3")),
        ],
    )
    def test_table(self, held: list[Grant], request_: Request, devices: tuple[str, ...] | None) -> None:
        grant = allocate(FOUR, held, request_)
        assert (grant.devices if grant else None) == devices
        assert grant is None or grant.memory_bytes == (request_.memory_bytes if request_.count else None)

    @given(st.lists(st.tuples(st.integers(0, 4), st.none() | st.integers(1, 100)), max_size=40), st.data())
    def test_no_device_is_ever_given_twice_nor_beyond_its_memory(
        self, asked: list[tuple[int, int | None]], data: st.DataObject
    ) -> None:
        devices = tuple(Device(str(number), 80) for number in range(3))
        held: list[Grant] = []
        for count, memory in asked:
            if held and data.draw(st.booleans()):
                held.pop(data.draw(st.integers(0, len(held) - 1)))
            grant = allocate(devices, held, Request(count, memory))
            if grant is None:
                continue
            assert len(set(grant.devices)) == len(grant.devices) == count
            held.append(grant)
            for device in devices:
                shares = [one.memory_bytes for one in held if device.id in one.devices]
                assert shares == [None] or (None not in shares and sum(share or 0 for share in shares) <= 80)

    def test_what_can_never_be_is_told_with_numbers(self) -> None:
        assert never(FOUR, Request(4)) is None
        assert never(FOUR, Request(5)) == "It asks for 5 GPUs, and this host has 4."
        assert never((), Request(1)) == "It asks for 1 GPU, and this host has 0."
        one = (*FOUR[:3], Device("big", 200 * GB))
        assert never(one, Request(2, 100 * GB)) == (
            "It asks for 100 GB on each of 2 GPUs, and 1 of this host's 4 has as much."
        )

    def test_why_it_waits_is_told_with_numbers(self) -> None:
        held = [Grant(("0", "1")), Grant(("2",), 70 * GB)]
        assert waiting(FOUR, held, Request(2)) == "waits for 2 free GPUs: 1 of 4 are free"
        assert waiting(FOUR, held, Request(2, 20 * GB)) == "waits for 20 GB on 2 GPUs: 1 of 4 have as much left"

    @pytest.mark.parametrize(("count", "memory"), [(-1, None), (1, 0), (1, -5)])
    def test_less_than_nothing_is_refused(self, count: int, memory: int | None) -> None:
        with pytest.raises(ValueError, match="less than nothing"):
            Request(count, memory)


class TestTheDriver:
    def test_it_is_asked_and_may_be_absent(self) -> None:
        devices = discover()
        used = sample([device.id for device in devices] + ["GPU-none", "4096"], pids=[1])
        assert [use.id for use in used] == [device.id for device in devices]
        for device, use in zip(devices, used, strict=True):
            assert 0 <= use.memory_bytes <= device.memory_bytes


class TestProcesses:
    SEEN = "import json, os; print(json.dumps([os.environ.get('CUDA_VISIBLE_DEVICES'), os.environ['SM_NUM_GPUS']]))"

    @pytest.mark.parametrize(
        ("gpus", "given", "seen"),
        [
            (("GPU-1", "3"), {}, ["GPU-1,3", "2"]),
            (("0",), {"CUDA_VISIBLE_DEVICES": "5,6"}, ["0", "1"]),  # a script's author cannot take others
            ((), {}, ["", "0"]),
            (None, {}, [None, "0"]),
            (None, {"CUDA_VISIBLE_DEVICES": "5,6"}, ["5,6", "2"]),
        ],
    )
    def test_see_what_they_were_given(
        self, processes: ProcessTrials, gpus: tuple[str, ...] | None, given: dict[str, str], seen: list[str | None]
    ) -> None:
        _, log = processes.run(self.SEEN, gpus=gpus, environment=given)
        assert json.loads(log) == seen
