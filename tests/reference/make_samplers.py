"""Writes fixtures/samplers.safetensors: diffusers' schedulers on a toy network, see README.md."""

import pathlib

import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    HeunDiscreteScheduler,
)
from diffusers.schedulers import scheduling_ddpm
from safetensors.torch import save_file

LINEAR = dict(num_train_timesteps=1000, beta_start=1e-4, beta_end=0.02, beta_schedule="linear")
TRAILING = LINEAR | dict(prediction_type="epsilon", timestep_spacing="trailing")
MULTISTEP = dict(algorithm_type="dpmsolver++", solver_order=2, solver_type="midpoint", lower_order_final=True)


def toy(x, t):
    """Stands for the network: the noise for `eps.*`, the velocity for `flow.*`."""
    return 0.3 * x + 0.1 * torch.sin(x) + 0.0001 * t * torch.cos(x)


def sample(scheduler, start, generator=None):
    """Runs the scheduler to the end; `start` is x_T with the noise at unit variance."""
    scheduler.set_begin_index(0) if hasattr(scheduler, "set_begin_index") else None
    x = start
    for t in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, t) if hasattr(scheduler, "scale_model_input") else x
        extra = {"generator": generator} if generator else {}
        x = scheduler.step(toy(scaled, t), t, x, **extra).prev_sample
    return x


def eps_runs(start, n):
    ddpm = DDPMScheduler(**TRAILING, variance_type="fixed_small", clip_sample=False)
    ddpm.set_timesteps(n)
    noises, draw = [], scheduling_ddpm.randn_tensor
    scheduling_ddpm.randn_tensor = lambda *a, **k: noises.append(draw(*a, **k)) or noises[-1]
    final = sample(ddpm, start, torch.Generator().manual_seed(n))
    scheduling_ddpm.randn_tensor = draw
    yield "ddpm", {"final": final, "timesteps": ddpm.timesteps, "noise": torch.stack(noises)}

    ddim = DDIMScheduler(**TRAILING, clip_sample=False, set_alpha_to_one=True)
    ddim.set_timesteps(n)
    yield "ddim", {"final": sample(ddim, start), "timesteps": ddim.timesteps}

    for name, scheduler in {
        "dpmpp": DPMSolverMultistepScheduler(**TRAILING, **MULTISTEP, final_sigmas_type="zero"),
        "euler": EulerDiscreteScheduler(**TRAILING, interpolation_type="linear", final_sigmas_type="zero"),
        "heun": HeunDiscreteScheduler(**TRAILING, clip_sample=False),
    }.items():
        scheduler.set_timesteps(n)
        # Euler and Heun hold x/α rather than x, with 1/α = sqrt(σ² + 1) in their σ.
        unit = name == "dpmpp"
        factor = 1.0 if unit else (scheduler.sigmas[0] ** 2 + 1) ** 0.5
        found = {"final": sample(scheduler, start * factor), "timesteps": scheduler.timesteps}
        found |= {"sigmas": scheduler.sigmas, "start_factor": torch.as_tensor(factor)}
        yield name, found | {"init_noise_sigma": torch.as_tensor(scheduler.init_noise_sigma)}


def flow_runs(start, n):
    sigmas = torch.linspace(1, 1 / n, n)

    euler = FlowMatchEulerDiscreteScheduler(shift=1.0)
    euler.set_timesteps(sigmas=sigmas.numpy())
    yield "euler", euler

    heun = FlowMatchHeunDiscreteScheduler(shift=1.0)
    heun.sigma_min = 1 / n  # its sigmas are linspace(sigma_max = 1, sigma_min, n)
    heun.set_timesteps(n)
    yield "heun", heun

    flow = dict(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=1.0, final_sigmas_type="zero")
    stock = DPMSolverMultistepScheduler(**LINEAR, **MULTISTEP, **flow)
    stock.set_timesteps(n)
    yield "dpmpp_stock", stock

    ours = DPMSolverMultistepScheduler(**LINEAR, **MULTISTEP, **flow)
    ours.set_timesteps(n)
    ours.sigmas, ours.timesteps = torch.cat([sigmas, torch.zeros(1)]), 1000 * sigmas
    yield "dpmpp", ours


def main():
    torch.set_num_threads(1)
    start = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    schedule = DDPMScheduler(**LINEAR)
    tensors = {"start": start, "schedule.betas": schedule.betas, "schedule.alphas_cumprod": schedule.alphas_cumprod}
    for n in (10, 20):
        for name, found in eps_runs(start, n):
            tensors |= {f"eps.{name}.{n}.{key}": value for key, value in found.items()}
        for name, scheduler in flow_runs(start, n):
            found = {"timesteps": scheduler.timesteps, "sigmas": scheduler.sigmas, "final": sample(scheduler, start)}
            tensors |= {f"flow.{name}.{n}.{key}": value for key, value in found.items()}
    tensors = {name: value.float().contiguous().clone() for name, value in tensors.items()}
    assert all(value.isfinite().all() for value in tensors.values())
    save_file(tensors, pathlib.Path(__file__).parent / "fixtures" / "samplers.safetensors")


if __name__ == "__main__":
    main()
