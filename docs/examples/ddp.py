"""Train on several processes with DistributedDataParallel, a scheduled loss, and one scheduler per rank.

Every rank has a share of the data, and a scheduler of its own. The metrics are reduced before each step, so that all
schedulers see the same floats, decide alike, and nothing else has to be sent. On two processes of a CPU::

    torchrun --nproc-per-node 2 docs/examples/ddp.py

With GPUs, the backend is "nccl", and each rank calls ``torch.cuda.set_device`` with its local rank first.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

import spectral_losses as sl
from spectral_losses.integrations.torch import CompositeCriterion, mean_over_ranks, over_ranks

EPOCHS, N = 15, 16


def fields(samples: int, seed: int) -> TensorDataset:
    """Noise, and the same noise with the small scales damped: what the model has to learn."""
    noise = torch.randn(samples, 1, N, N, generator=torch.Generator().manual_seed(seed))
    k = torch.hypot(N * torch.fft.fftfreq(N)[:, None], N * torch.fft.rfftfreq(N))
    return TensorDataset(noise, torch.fft.irfft2(torch.fft.rfft2(noise) / (1 + k / 4) ** 2))


def main() -> None:
    """Train; rank 0 prints."""
    dist.init_process_group("gloo")
    rank, ranks = dist.get_rank(), dist.get_world_size()
    torch.manual_seed(0)
    model = DistributedDataParallel(torch.nn.Conv2d(1, 1, 5, padding=2, padding_mode="circular", bias=False))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    criterion = CompositeCriterion({"field_error": "field_error", "spectrum_error": "spectrum_error"})
    scheduler = sl.LossScheduler(
        sl.SchedulerConfig(
            warmup_epochs=1,
            patience=1,
            use_ema=False,
            min_delta=0.1,
        )
    )
    training = fields(64, seed=1)
    sampler = DistributedSampler(training)
    loader = DataLoader(training, batch_size=8, sampler=sampler)
    unseen = fields(9, seed=2)[rank::ranks]  # shares of 5 and 4 on two ranks
    for epoch in range(EPOCHS):
        criterion.set_weights(scheduler)
        sampler.set_epoch(epoch)
        for x, y in loader:
            optimizer.zero_grad()
            with over_ranks():  # the loss of all shares, whose guard is relative to all their frames
                loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
        x, y = unseen
        metrics = mean_over_ranks(sl.evaluate(model.module(x), y), count=len(x))
        decision = scheduler.step(metrics, epoch)
        if rank == 0 and decision:
            print(decision)
    agreed: list[object] = [None] * ranks
    dist.all_gather_object(agreed, scheduler.state_dict())
    if rank == 0:
        print(f"{ranks} ranks, one scheduler: {all(each == agreed[0] for each in agreed)}")
        print({name: round(weight, 3) for name, weight in scheduler.weights.items()})
    dist.barrier()  # no rank takes the group down while another still uses it
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
