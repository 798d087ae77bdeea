"""What each framework does best for the losses: transforms, sums over shells, gradients.

Files
-----
``registry``
    From an array to the backend of its framework, which is imported when its first array arrives.
``problem``
    What a loss asks for: `Problem`, plain values that describe it; `Arrays`, the fields; `Objective`, its mathematics;
    `Statistics`, what that sees. ``Tables`` is the type of statistics by name, ``{"P": array, "T": array, ...}``.
``base``
    `Backend`: every method that there is, in the array API standard alone. Its instance serves unknown namespaces.
``blockwise``
    The same for arrays that can be written to, block by block in the cache of a processor: NumPy and PyTorch.
``pointwise``
    Losses of mean squares (`field_error`) on a `blockwise.Backend`, in one pass over the fields.
``layouts``
    The index arrays with which modes are summed over bins: `Scattering`, `Gathering`, `Folding`.
``text``
    A problem as text, to travel through a compiled graph, and back.
``numpy``, ``cupy``, ``dask``, ``jax``
    One framework each: what it overrides.
``torch.kernels``
    PyTorch where values are all that matters: `Kernels`, whose one instance is ``eager``.
``torch.functions``
    Its automatic differentiation; `Plain`, whose one instance is ``plain``, is `base.Backend` on tensors.
``torch.compiled``
    The methods of ``eager`` as operators of ``torch.compile``.
``torch``
    The backend that the registry hands out: for each call it chooses among these three and ``plain``.

The path of a call
------------------
1. A loss makes a `Problem` and its `Arrays`, and asks the backend for ``values`` or ``value_and_grad``.
2. ``statistics`` (with ``modes_and_statistics`` where a gradient follows) takes the fields to powers of bins:
   ``power`` of a field, ``pair_power`` of an error and a target. Each is ``forward``, the transform, and then
   ``bin_power`` or ``bin_pair_power`` of its modes, which sum over bins.
3. ``rows_and_slopes`` turns statistics into one value for each row, and into slopes along the statistics.
4. ``gradient_of`` turns slopes and modes into the gradient; ``reduced`` turns rows into the loss.

Who sums over bins
------------------
=============================  =============================================================================
array                          where
=============================  =============================================================================
NumPy                          `numpy.Backend.bin_sum`: sorts (`Folding`) and reduces segments
PyTorch on a CPU, by kernels   `torch.kernels.Kernels.bin_power`: scatters (`Scattering`); no ``bin_sum``
PyTorch elsewhere              `base.Backend.bin_sum`: gathers (`Gathering`), as no two threads may add to one address
PyTorch, transformed, traced   the same, by ``plain``
compiled PyTorch               as eager, inside an opaque operator
JAX, CuPy, other namespaces    `base.Backend.bin_sum`
Dask                           the backend of its blocks
=============================  =============================================================================
"""
