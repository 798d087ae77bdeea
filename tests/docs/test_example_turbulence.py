"""The solver of the demo against exact solutions, conservation laws and itself; the program of the examples."""

from __future__ import annotations

import importlib.util
import math
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from frameworks import needs

import spectral_losses.cli.demo.turbulence

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "examples" / "turbulence.py"
pytestmark = pytest.mark.filterwarnings("error")


def load(path):
    spec = importlib.util.spec_from_file_location("turbulence_example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def turbulence():
    return spectral_losses.cli.demo.turbulence


@pytest.fixture(scope="module")
def program():
    if not SCRIPT.exists():
        pytest.skip("the examples are not here")
    return load(SCRIPT)


@pytest.fixture(scope="module")
def developed(turbulence):
    """Decaying turbulence with its enstrophy cascade."""
    return turbulence.simulate(128, [0.0, 2.0], viscosity=1.5e-3, seed=3)


def grid(n):
    """Return x along the last axis, y along the first."""
    s = 2 * np.pi * np.arange(n) / n
    return s[None, :], s[:, None]


def derivative(field, axis):
    """Exact for fields without a Nyquist mode; of complex transforms, unlike the solver's own."""
    n = field.shape[axis]
    shape = [1] * field.ndim
    shape[axis] = n
    k = (n * np.fft.fftfreq(n)).reshape(shape)
    return np.fft.ifft(1j * k * np.fft.fft(field, axis=axis), axis=axis).real


def relative(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


# Exact solutions


@pytest.mark.parametrize("n", [16, 27, 32])
@pytest.mark.parametrize("mode", ["oblique", "shear", "taylor-green"])
def test_a_flow_that_does_not_advect_itself_decays_exactly(turbulence, n, mode):
    x, y = grid(n)
    start, k2 = {
        "oblique": (np.cos(3 * x + 2 * y + 0.3), 13),
        "shear": (np.sin(4 * y) + 0 * x, 16),
        "taylor-green": (3 * np.cos(2 * x) * np.cos(2 * y), 8),
    }[mode]
    times = [0.0, 0.4, 1.5]
    flow = turbulence.simulate(n, times, viscosity=0.05, drag=0.2, initial=start)
    rate = 0.05 * k2 + 0.2
    for i, t in enumerate(times):
        np.testing.assert_allclose(flow.vorticity[i], start * np.exp(-rate * t), rtol=0, atol=1e-12)
    energy = np.mean(start**2) / (2 * k2) * np.exp(-2 * rate * np.array(times))
    np.testing.assert_allclose(flow.energy, energy, rtol=1e-12)
    np.testing.assert_allclose(flow.enstrophy, k2 * energy, rtol=1e-12)
    np.testing.assert_allclose(flow.dissipation, 2 * 0.05 * k2 * energy, rtol=1e-12)
    np.testing.assert_allclose(flow.drag_loss, 2 * 0.2 * energy, rtol=1e-12)
    assert np.all(flow.injection == 0)


def test_a_mean_wind_is_no_part_of_the_flow_and_a_wave_on_a_shear_turns_the_right_way(turbulence):
    # A weak wave cos(x) on the shear u = U sin(y): d_t w = -u d_x w - v d_y W. At small t, by hand:
    # W = -U cos(y), d_y W = U sin(y), w = e cos(x), v = e sin(x): d_t w = e U sin y sin x (1 - 1) = 0,
    # while for w = e cos(2x), v = (e / 2) sin(2x), d_t w = e U sin y sin 2x (2 - 1/2).
    x, y = grid(24)
    e, big, t = 1e-5, 1.0, 1e-3
    for k, growth in ((1, 0.0), (2, 1.5)):
        start = -big * np.cos(y) + e * np.cos(k * x)
        flow = turbulence.simulate(24, [t], viscosity=0.0, initial=start + 7.0)
        change = (flow.vorticity[0] - start) / (e * t)
        np.testing.assert_allclose(change, growth * big * np.sin(y) * np.sin(k * x), atol=5e-3)


def test_a_force_from_rest_drives_the_laminar_kolmogorov_flow(turbulence):
    n, nu, alpha, amplitude, k = 24, 0.02, 0.1, 2.0, 3
    _, y = grid(n)
    force = turbulence.kolmogorov_forcing(n, wavenumber=k, amplitude=amplitude)
    flow = turbulence.simulate(
        n, [0.5, 2.0], viscosity=nu, drag=alpha, forcing=force, initial=np.zeros((n, n)), max_step=0.05
    )
    rate = nu * k**2 + alpha
    for i, t in enumerate(flow.times):
        u, v = turbulence.velocity(flow.vorticity[i])
        speed = amplitude / rate * (1 - math.exp(-rate * t))
        np.testing.assert_allclose(u, speed * np.sin(k * y) + np.zeros((n, n)), atol=1e-8)
        np.testing.assert_allclose(v, 0, atol=1e-12)
        assert flow.injection[i] == pytest.approx(amplitude * speed / 2, rel=1e-8)


# Conservation and budgets


@pytest.mark.parametrize("n", [32, 33, 48])
def test_without_viscosity_energy_and_enstrophy_are_conserved(turbulence, n):
    flow = turbulence.simulate(n, [0.0, 0.5, 1.0], viscosity=0.0, max_step=0.002, seed=1)
    assert relative(flow.vorticity[-1], flow.vorticity[0]) > 0.3  # it did move
    tail = turbulence.energy_spectrum(flow.vorticity[-1])[(n - 1) // 3 - 2 :].sum() / flow.energy[-1]
    assert tail > 1e-5  # and reached the end of the spectrum, where products alias
    np.testing.assert_allclose(flow.energy, flow.energy[0], rtol=1e-10)
    np.testing.assert_allclose(flow.enstrophy, flow.enstrophy[0], rtol=1e-10)


@pytest.mark.parametrize("kind", ["decaying", "forced"])
def test_the_energy_budget_closes(turbulence, kind):
    n, times = 48, np.linspace(0, 2, 201)
    force = turbulence.kolmogorov_forcing(n, amplitude=2.0) if kind == "forced" else None
    drag = 0.3 if kind == "forced" else 0.0
    flow = turbulence.simulate(n, times, viscosity=5e-3, drag=drag, forcing=force, seed=2)
    terms = {"injection": flow.injection, "dissipation": -flow.dissipation, "drag": -flow.drag_loss}
    gained = {name: np.trapezoid(term, times) for name, term in terms.items()}
    exchanged = sum(abs(g) for g in gained.values())
    assert exchanged > 0.1
    assert abs(flow.energy[-1] - flow.energy[0] - sum(gained.values())) < 1e-4 * exchanged

    # each term, in real space and by another way
    uv = turbulence.velocity(flow.vorticity)
    np.testing.assert_allclose(flow.energy, np.mean(uv**2, axis=(1, 2, 3)), rtol=1e-12)
    gradients = sum(np.mean(derivative(uv, axis) ** 2, axis=(1, 2, 3)) * 2 for axis in (-1, -2))
    np.testing.assert_allclose(flow.dissipation, 5e-3 * gradients, rtol=1e-10)
    if kind == "forced":
        pushed = np.mean(uv[:, 0] * 2.0 * np.sin(4 * grid(n)[1]), axis=(1, 2))
        np.testing.assert_allclose(flow.injection, pushed, rtol=1e-10, atol=1e-13)
        assert gained["injection"] > 0.1
        assert gained["drag"] < -0.1


def test_forced_turbulence_settles_where_injection_balances_the_losses(turbulence):
    amplitude, drag = 1.0, 0.2
    times = np.linspace(0, 60, 301)
    flow = turbulence.simulate(
        32, times, viscosity=5e-3, drag=drag, forcing=turbulence.kolmogorov_forcing(32, amplitude=amplitude)
    )
    bound = (amplitude / drag) ** 2 / 4
    assert flow.energy.max() < bound
    late = slice(100, None)
    assert flow.energy[late].min() > 0.02 * bound
    early, last = flow.energy[100:200].mean(), flow.energy[200:].mean()
    assert 0.6 < early / last < 1.6
    lost = (flow.dissipation + flow.drag_loss)[late].mean()
    assert flow.injection[late].mean() == pytest.approx(lost, rel=0.1)
    spread = np.std(flow.vorticity[-1], axis=1).mean() / np.std(flow.vorticity[-1])
    assert spread > 0.5  # turbulent: not the laminar flow, which is the same at every x


# The time step


def test_halving_the_step_divides_the_error_by_sixteen(turbulence):
    end, force = 0.4, turbulence.kolmogorov_forcing(32, amplitude=3.0)

    def solve(steps):
        seen = []
        flow = turbulence.simulate(
            32,
            [end],
            viscosity=5e-3,
            drag=0.1,
            forcing=force,
            seed=4,
            max_step=end / (steps - 0.5),
            on_step=seen.append,
        )
        np.testing.assert_allclose(np.diff([0, *seen]), end / steps, rtol=1e-9)
        return flow.vorticity[0]

    exact = solve(512)
    errors = [relative(solve(steps), exact) for steps in (20, 40, 80)]
    assert errors[0] < 1e-2
    assert 13 < errors[0] / errors[1] < 20
    assert 13 < errors[1] / errors[2] < 20


def test_steps_keep_the_courant_number_and_end_at_the_frames(turbulence):
    seen = []
    times = [0.3, 0.31, 0.8]
    flow = turbulence.simulate(32, times, viscosity=1e-3, seed=5, on_step=seen.append)
    assert set(times) < set(seen)
    steps = np.diff([0, *seen])
    assert np.all(steps > 0)
    speed = np.sum(abs(turbulence.velocity(flow.vorticity)), axis=1).max()
    assert 0.5 * turbulence.COURANT < steps.max() * speed * 10 < 1.5 * turbulence.COURANT
    np.testing.assert_array_equal(flow.times, times)
    assert flow.vorticity.dtype == np.float64
    # a faster flow: the same one, in proportionally less time
    fast = turbulence.simulate(
        32, np.array(times) / 10, viscosity=1e-2, initial=10 * turbulence.random_vorticity(32, seed=5)
    )
    np.testing.assert_allclose(fast.vorticity, 10 * flow.vorticity, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "given",
    [
        {"initial": 1e200},
        {"initial": 1e20},
        {"forcing": 1e250},
        {"forcing": 1e30},
    ],
)
def test_a_flow_too_fast_to_follow_is_an_error(turbulence, given):
    start = turbulence.random_vorticity(16)
    fields = {name: start * factor for name, factor in given.items()}
    with pytest.raises(FloatingPointError, match="blew up at t = 0"):
        turbulence.simulate(16, [1.0], viscosity=1e-3, **fields)


@pytest.mark.parametrize(("courant", "end", "found"), [(20.0, 20.0, "at t"), (50.0, 1.0, "before t = 1: its")])
def test_an_unstable_step_is_an_error(turbulence, monkeypatch, courant, end, found):
    monkeypatch.setattr(turbulence, "COURANT", courant)
    with pytest.raises(FloatingPointError, match=f"blew up {found}"):
        turbulence.simulate(32, [end], viscosity=0.0)


def test_a_strong_force_is_followed_from_rest(turbulence):
    force = turbulence.kolmogorov_forcing(24, wavenumber=2, amplitude=1e4)
    start = turbulence.random_vorticity(24) * 1e-3
    seen = []
    flow = turbulence.simulate(24, [0.1], viscosity=0.01, forcing=force, initial=start, on_step=seen.append)
    assert seen[0] < 0.01
    assert np.isfinite(flow.vorticity).all()
    assert 0 < flow.energy[0] < (1e4 * 0.1) ** 2 / 4 * 1.01


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n": 3}, "n must be"),
        ({"viscosity": -1.0}, "viscosity"),
        ({"viscosity": math.nan}, "viscosity"),
        ({"drag": -0.1}, "drag"),
        ({"drag": math.inf}, "drag"),
        ({"max_step": 0.0}, "max_step"),
        ({"max_step": math.nan}, "max_step"),
        ({"times": []}, "times"),
        ({"times": 1.0}, "times"),
        ({"times": [-1.0, 1.0]}, "times"),
        ({"times": [1.0, 1.0]}, "times"),
        ({"times": [0.0, math.nan]}, "times"),
        ({"times": [math.nan]}, "times"),
        ({"times": [0.0, math.inf]}, "times"),
        ({"initial": np.zeros((8, 9))}, "shape"),
        ({"initial": np.zeros((2, 8, 8))}, "one field"),
        ({"initial": np.full((8, 8), math.nan)}, "finite"),
        ({"forcing": np.full((8, 8), math.inf)}, "finite"),
        ({"forcing": np.zeros(8)}, "shape"),
    ],
)
def test_arguments_out_of_range_are_errors(turbulence, given, message):
    arguments = {"n": 16, "times": [0.0, 0.1], "viscosity": 1e-2, **given}
    with pytest.raises(ValueError, match=message):
        turbulence.simulate(arguments.pop("n"), arguments.pop("times"), **arguments)


# The initial field and reproducibility


def test_the_initial_field_has_its_spectrum_and_does_not_depend_on_the_grid(turbulence):
    fine = turbulence.random_vorticity(96, seed=7)
    for n in (26, 27, 64):
        np.testing.assert_allclose(turbulence.random_vorticity(n, seed=7), turbulence.resample(fine, n), atol=1e-12)
    small = turbulence.random_vorticity(15, seed=7)
    np.testing.assert_allclose(small, turbulence.resample(fine, 15), atol=1e-12)
    assert relative(turbulence.random_vorticity(96, seed=8), fine) > 0.5

    spectrum = turbulence.energy_spectrum([turbulence.random_vorticity(64, seed=s, energy=2.0) for s in range(3)])
    np.testing.assert_allclose(spectrum.sum(-1), 2.0, rtol=1e-12)
    ky, kx = np.mgrid[-15:16, -15:16]
    k = np.hypot(kx, ky)
    per_mode = np.where(k > 0, k**6 * np.exp(-3.5 * (k / 4.0) ** 2), 0) * (np.maximum(abs(kx), abs(ky)) <= 12)
    expected = np.bincount(np.rint(k).astype(int).ravel(), weights=per_mode.ravel())[:13]
    np.testing.assert_allclose(spectrum[:, :13], [2.0 * expected / per_mode.sum()] * 3, rtol=1e-10, atol=1e-25)
    sides = np.mean(turbulence.velocity(turbulence.random_vorticity(64, peak=9.0)) ** 2, axis=(1, 2))
    assert 0.7 < sides[0] / sides[1] < 1.4  # isotropic


def test_the_same_seed_gives_the_same_bits_and_another_seed_another_flow(turbulence):
    one, two, other = (turbulence.simulate(32, [0.1, 0.5], viscosity=1e-3, seed=seed).vorticity for seed in (3, 3, 4))
    assert one.tobytes() == two.tobytes()
    assert relative(other, one) > 0.5


def test_the_same_flow_on_two_grids_agrees_at_large_scales(turbulence):
    fine, coarse = (turbulence.simulate(n, [0.5], viscosity=3e-3, seed=6).vorticity[0] for n in (96, 48))
    assert relative(turbulence.resample(coarse, 96), fine) > 1e-6  # they are two solutions
    large = np.s_[:8]
    a, b = turbulence.energy_spectrum(fine)[large], turbulence.energy_spectrum(coarse)[large]
    np.testing.assert_allclose(b[1:], a[1:], rtol=0.01)
    low = [turbulence.resample(field, 15) for field in (coarse, fine)]  # |k| <= 7
    assert relative(*low) < 5e-3


def test_numpy_alone_solves_the_same_flow(turbulence, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    alone = load(turbulence.__file__)
    assert alone.fft is np.fft
    a, b = (module.simulate(24, [0.5], viscosity=2e-3).vorticity for module in (turbulence, alone))
    np.testing.assert_allclose(a, b, atol=1e-10)


# Velocity, spectrum, resampling


def test_velocity_is_that_of_the_stream_function(turbulence):
    x, y = grid(16)
    u, v = turbulence.velocity(2 * np.cos(2 * y) + 3 * np.cos(3 * x) + 5)  # psi = cos(2y) / 2 + cos(3x) / 3
    np.testing.assert_allclose(u, -np.sin(2 * y) + 0 * x, atol=1e-14)
    np.testing.assert_allclose(v, np.sin(3 * x) + 0 * y, atol=1e-14)


@pytest.mark.parametrize("n", [31, 32])
def test_velocity_has_no_divergence_and_its_curl_is_the_vorticity(turbulence, n):
    noise = np.random.default_rng(0).standard_normal((2, 3, 31, 31))
    w = turbulence.resample(noise - noise.mean(axis=(-2, -1), keepdims=True), n)
    uv = turbulence.velocity(w)
    assert uv.shape == (2, 3, 2, n, n)
    u, v = uv[..., 0, :, :], uv[..., 1, :, :]
    np.testing.assert_allclose(derivative(u, -1) + derivative(v, -2), 0, atol=1e-12)
    np.testing.assert_allclose(derivative(v, -1) - derivative(u, -2), w, atol=1e-12)
    np.testing.assert_allclose(uv.mean(axis=(-2, -1)), 0, atol=1e-14)


@pytest.mark.parametrize("n", [8, 9, 32, 33])
def test_the_spectrum_sums_to_the_mean_kinetic_energy(turbulence, n):
    w = np.random.default_rng(1).standard_normal((2, 3, n, n))  # all modes, the Nyquist ones too
    spectrum = turbulence.energy_spectrum(w)
    assert spectrum.shape == (2, 3, round(math.hypot(n // 2, n // 2)) + 1)
    kinetic = np.sum(turbulence.velocity(w) ** 2, axis=-3).mean(axis=(-2, -1)) / 2
    np.testing.assert_allclose(spectrum.sum(axis=-1), kinetic, rtol=1e-12)
    np.testing.assert_array_equal(spectrum[..., 0], 0)
    np.testing.assert_allclose(spectrum[1, 2], turbulence.energy_spectrum(w[1, 2]), rtol=1e-14)


@pytest.mark.parametrize(("kx", "ky", "shell"), [(5, 0, 5), (0, 5, 5), (3, -4, 5), (1, 1, 1), (2, 2, 3), (7, 7, 10)])
def test_a_mode_lies_in_the_shell_of_its_wavenumber(turbulence, kx, ky, shell):
    x, y = grid(20)
    spectrum = turbulence.energy_spectrum(3 * np.sin(kx * x + ky * y))
    expected = np.zeros_like(spectrum)
    expected[shell] = 9 / 4 / (kx**2 + ky**2)
    np.testing.assert_allclose(spectrum, expected, atol=1e-15)


def test_developed_turbulence_has_a_steep_resolved_spectrum(turbulence, developed):
    k = np.arange(8, 31)
    start, spectrum = turbulence.energy_spectrum(developed.vorticity)
    assert np.all(np.isfinite(spectrum))
    assert np.all(spectrum[1:43] > 0)
    assert start[20:].sum() < 1e-20 < 1e-7 < spectrum[20:].sum()  # the cascade filled it
    slope = np.polyfit(np.log(k), np.log(spectrum[k]), 1)[0]
    assert -6 < slope < -2.5
    assert spectrum[1:43].max() / spectrum[42] > 1e4
    assert 42 * turbulence.dissipation_length(developed.vorticity[-1], 1.5e-3) > 1
    peak_before, peak_after = (np.sum(np.arange(e.size) * e) / e.sum() for e in (start, spectrum))
    assert peak_after < peak_before  # energy goes to larger scales
    assert 0.9 < developed.energy[1] / developed.energy[0] < 1


def test_the_dissipation_length_of_a_wave(turbulence):
    x, y = grid(16)
    wave = np.array([2.0, 4.0])[:, None, None] * np.cos(3 * x + 4 * y)  # <|grad w|^2> = 25 * (4 + 16) / 2 / 2
    assert turbulence.dissipation_length(wave, 0.01) == pytest.approx((1e-4 / 125) ** (1 / 6), rel=1e-12)


@pytest.mark.parametrize(("m", "n"), [(8, 8), (8, 9), (8, 16), (8, 21), (9, 10), (9, 13), (9, 16)])
def test_interpolating_and_back_changes_nothing(turbulence, m, n):
    field = np.random.default_rng(2).standard_normal((3, m, m)) + 5  # all modes, the Nyquist ones too
    wide = turbulence.resample(field, n)
    assert wide.shape == (3, n, n)
    np.testing.assert_allclose(turbulence.resample(wide, m), field, atol=1e-13)
    np.testing.assert_allclose(wide.mean(axis=(-2, -1)), field.mean(axis=(-2, -1)), rtol=1e-13)


@pytest.mark.parametrize("m", [8, 9, 12, 15, 16])
@pytest.mark.parametrize("n", [8, 9, 12, 15, 16])
def test_resampling_is_exact_for_waves_that_both_grids_hold(turbulence, m, n):
    def waves(points):
        x, y = grid(points)
        out = 2 + np.cos(3 * x - 2 * y + 0.4) + np.sin(x + 3 * y)
        return out + np.cos(4 * x) * (1 + np.cos(4 * y))  # Nyquist modes of 8 points

    np.testing.assert_allclose(turbulence.resample(waves(m), n), waves(n), atol=1e-13)


def test_truncation_drops_what_the_grid_cannot_hold(turbulence):
    x, y = grid(32)
    kept = 1 + np.cos(3 * x + 2 * y)
    field = kept + np.cos(9 * x) + np.sin(6 * y - x)
    for n in (8, 9, 10, 11):
        a, b = grid(n)
        np.testing.assert_allclose(turbulence.resample(field, n), 1 + np.cos(3 * a + 2 * b), atol=1e-13)


@pytest.mark.parametrize("name", ["velocity", "energy_spectrum", "resample", "dissipation_length"])
def test_fields_of_the_wrong_shape_are_errors(turbulence, name):
    more = {"resample": (8,), "dissipation_length": (1e-3,)}.get(name, ())
    for field in (np.zeros(8), np.zeros((8, 6)), np.zeros((0, 0)), np.full((4, 4), math.nan)):
        with pytest.raises(ValueError, match="finite and of shape"):
            getattr(turbulence, name)(field, *more)


# The program


@pytest.mark.parametrize("kind", ["decaying", "forced"])
def test_main_writes_a_flow_and_its_coarse_prediction(program, tmp_path, capsys, monkeypatch, kind):
    monkeypatch.setitem(program._CASES, "forced", program._CASES["forced"]._replace(spin_up=2.0))
    out = tmp_path / "a folder"
    arguments = ["--n", "48", "--coarse", "16", "--frames", "3", "--kind", kind, "--seed", "1"]
    assert program.main([*arguments, "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    names = [str(out / "prediction.npy"), str(out / "truth.npy")]
    command = printed.out.splitlines()[-1].removeprefix("next: ")
    assert shlex.split(command) == ["spectral-losses", "compare", *names, "--plot", "spectra.png"]
    assert sorted(p.name for p in out.iterdir()) == ["prediction.npy", "truth.npy"]

    prediction, truth = (np.load(name) for name in names)
    for field in (prediction, truth):
        assert field.shape == (3, 2, 48, 48)
        assert field.dtype == np.float32
        assert np.isfinite(field).all()
        divergence = derivative(field[:, 0].astype(float), -1) + derivative(field[:, 1].astype(float), -2)
        assert abs(divergence).max() < 1e-4
    assert 1e-3 < relative(prediction, truth) < 0.7
    assert relative(truth[0], truth[-1]) > 0.05
    modes = abs(np.fft.fft2(prediction))
    assert modes[..., 6:43, :].max() < 1e-4 * modes.max()  # nothing beyond the coarse grid
    assert abs(np.fft.fft2(truth))[..., 6:43, :].max() > 1e-3 * modes.max()

    again = tmp_path / "again"
    program.main([*arguments, "--out", str(again)])
    for name in ("prediction.npy", "truth.npy"):
        assert (again / name).read_bytes() == (out / name).read_bytes()
    program.main([*arguments[:-1], "2", "--out", str(again)])
    assert relative(np.load(again / "truth.npy"), truth) > 0.1


def test_one_frame_is_the_last(program, tmp_path):
    for frames in ("1", "2"):
        program.main(["--n", "24", "--coarse", "16", "--frames", frames, "--out", str(tmp_path / frames)])
    one, two = (np.load(tmp_path / frames / "truth.npy") for frames in ("1", "2"))
    assert one.shape == (1, 2, 24, 24)
    assert relative(one[0], two[-1]) < 0.02
    assert relative(two[0], two[-1]) > 0.05


@pytest.mark.parametrize("rich", [pytest.param(True, marks=needs("rich")), False])
def test_progress_is_shown_on_a_terminal_only(program, tmp_path, capsys, monkeypatch, rich):
    if not rich:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    program.main(["--n", "24", "--coarse", "16", "--frames", "1", "--out", str(tmp_path)])
    shown = capsys.readouterr()
    for label in ("truth, 24 x 24", "prediction, 16 x 16"):
        assert label in shown.err
        assert label not in shown.out
    assert "100%" in shown.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--n", "64", "--coarse", "64"], "--coarse must be"),
        (["--coarse", "8"], "--coarse must be"),
        (["--frames", "0"], "--frames must be"),
        (["--seed", "-1"], "--seed 0 or more"),
        (["--n", "many"], "invalid int value"),
        (["--kind", "boiling"], "invalid choice"),
        (["--out", str(SCRIPT)], "--out: "),
    ],
)
def test_bad_arguments_are_one_line_errors(program, capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        program.main(arguments)
    assert stopped.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err.splitlines()[-1]
