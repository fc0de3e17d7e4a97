"""Mistakes that somebody could make in an algorithm, and the tests of `make test` that must not pass with them.

Each is planted in a copy of the package, never in the package itself.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import boltzprune

PACKAGE = Path(boltzprune.__file__).parent
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Bug:
    """One mistake: a text of a file of the package, what stands there instead, and who should notice."""

    name: str
    file: str
    old: str
    new: str
    tests: str


BUGS = [
    Bug(
        "pruning: the highest go",
        "pruning/weights.py",
        "keep[order[len(order) - n_kept(len(order), fraction) :]] = True",
        "keep[order[: n_kept(len(order), fraction)]] = True",
        "pruning/test_pruning.py",
    ),
    Bug(
        "CD: the sign of the negative phase",
        "core/contrastive.py",
        "(cases.T @ probability0 - visible.T @ probability) / n",
        "(cases.T @ probability0 + visible.T @ probability) / n",
        "learning/test_training.py",
    ),
    Bug(
        "CD: the last hidden layer is a state, not a probability",
        "core/contrastive.py",
        "visible.T @ probability) / n",
        "visible.T @ hidden) / n",
        "learning/test_training.py",
    ),
    Bug(
        "momentum: the two rules swapped",
        "learning/training.py",
        '{"classical": momentum, "scaled": learning_rate * momentum}',
        '{"scaled": momentum, "classical": learning_rate * momentum}',
        "learning/test_training.py",
    ),
    Bug(
        "schedule: an entry too late",
        "core/schedules.py",
        "min(k + schedule.skip_first, n - 1)",
        "min(k + 1 + schedule.skip_first, n - 1)",
        "core/test_schedules.py",
    ),
    Bug(
        "initial weights: all seeds the same",
        "learning/training.py",
        'fork(seed, "initial weights")',
        'fork(0, "initial weights")',
        "learning/test_training.py",
    ),
    Bug(
        "Gibbs samples: the last step is skipped",
        "sampling/gibbs.py",
        "backend.advance(machine, states, key, 1, n_gibbs_steps, chain)",
        "backend.advance(machine, states, key, 1, n_gibbs_steps - 1, chain)",
        "sampling/test_gibbs.py",
    ),
    Bug(
        "Gibbs samples: all pieces repeat the first chains",
        "sampling/gibbs.py",
        "chain = first_chain + first\n",
        "chain = first_chain\n",
        "sampling/test_gibbs.py",
    ),
    Bug(
        "deep samples: each read reuses random numbers of the one before",
        "sampling/statistics.py",
        "run.advance(1 + read * n_gibbs_steps, n_gibbs_steps)",
        "run.advance(read * (n_gibbs_steps - 1), n_gibbs_steps)",
        "sampling/test_deep_gibbs.py",
    ),
    Bug(
        "deep samples: one step too few between reads",
        "sampling/statistics.py",
        "run.advance(1 + read * n_gibbs_steps, n_gibbs_steps)",
        "run.advance(1 + read * n_gibbs_steps, n_gibbs_steps - 1)",
        "sampling/test_deep_gibbs.py",
    ),
    Bug(
        "FI: p instead of p (1 - p)",
        "core/fisher.py",
        "return mean * (1.0 - mean) * (n_samples",
        "return mean * (n_samples",
        "core/test_fisher.py",
    ),
    Bug(
        "heuristic FI: the rate of the wrong unit",
        "core/fisher.py",
        "np.float64) * (1.0 - h), -500",
        "np.float64) * (1.0 - v), -500",
        "core/test_fisher.py",
    ),
    Bug(
        "FIM: eigenvectors sorted the wrong way round",
        "core/fisher.py",
        "vectors[:, ::-1][:, :2].T",
        "vectors[:, :2].T",
        "core/test_fisher.py",
    ),
    Bug(
        "interval of the FI: an end beyond the maximum at p = 1/2 forgotten",
        "core/fisher.py",
        "np.where((low < 0.5) & (high > 0.5), 0.25, np.maximum(*ends))",
        "np.maximum(*ends)",
        "core/test_intervals.py",
    ),
    Bug(
        "pruning: ties go by their place",
        "pruning/weights.py",
        "np.lexsort((tie_breaker[mask], saliency[mask]))",
        'np.argsort(saliency[mask], kind="stable")',
        "pruning/test_pruning.py",
    ),
    Bug(
        "pruning: the percentile from the wrong side",
        "pruning/weights.py",
        "np.percentile(saliency[mask], 100.0 * fraction)",
        "np.percentile(saliency[mask], 100.0 * (1.0 - fraction))",
        "pruning/test_pruning.py pruning/test_deep_pruning.py",
    ),
    Bug(
        "pruning: removed weights count in a unit's mean",
        "pruning/units.py",
        "np.where(mask, saliency, 0.0).sum(axis=0) / np.maximum(mask.sum(axis=0), 1)",
        "np.where(mask, saliency, 0.0).sum(axis=0) / len(mask)",
        "pruning/test_pruning.py",
    ),
    Bug(
        "deep pruning: the two readings of the zero rule swapped",
        "pruning/weights.py",
        'n_others if rule == "ratio"',
        'n_others if rule != "ratio"',
        "pruning/test_deep_pruning.py",
    ),
    Bug(
        "deep pruning: weights above a removed unit stay",
        "pruning/units.py",
        "masks[layer + 1][new] = False",
        "pass",
        "pruning/test_deep_pruning_units.py",
    ),
    Bug(
        "pre-training: the shared bias is that of the lower RBM",
        "learning/pretraining.py",
        "0.5 * (lower.biases[1] + upper.biases[0])",
        "lower.biases[1]",
        "learning/test_pretraining.py",
    ),
    Bug(
        "mean field: layers from above",
        "core/joint.py",
        "for layer in range(1, top + 1):\n            new =",
        "for layer in range(top, 0, -1):\n            new =",
        "backend/test_mean_field.py",
    ),
    Bug(
        "joint training: the mask is not applied",
        "core/joint.py",
        "slope = slope * masks[place]",
        "pass",
        "backend/test_joint.py",
    ),
    Bug(
        "joint training: norms of the wrong axis",
        "core/joint.py",
        "** 2).sum(axis=0))",
        "** 2).sum(axis=1))[:, None]",
        "backend/test_joint.py",
    ),
    Bug(
        "joint training: chains start again with each epoch",
        "learning/joint_training.py",
        "[(*result, key) for result, key in zip(results, keys, strict=True)]",
        "[(m, JointState(s.weight_steps, s.bias_steps, c), k) for (m, s), c, k in zip(results, chains, keys)]",
        "backend/test_joint.py",
    ),
    Bug(
        "AIS: steps at the temperature before",
        "sampling/ais.py",
        "others = _sample(machine, inputs, beta, key, step, backend)",
        "others = _sample(machine, inputs, before, key, step, backend)",
        "sampling/test_ais.py sampling/test_samplers.py::test_annealed_importance_sampling_estimates_z_without_bias",
    ),
    Bug(
        "AIS: temperatures in the wrong order",
        "sampling/ais.py",
        "np.linspace(0.0, 1.0, n_temperatures)",
        "np.linspace(1.0, 0.0, n_temperatures)",
        "sampling/test_ais.py",
    ),
    Bug(
        "divergence: KL(model || data)",
        "evaluation/patterns.py",
        "np.nansum(p * (np.log(p) - log_model))",
        "np.nansum(np.exp(log_model) * (log_model - np.log(p)))",
        "evaluation/test_patterns_evaluation.py",
    ),
    Bug(
        "claims: p-values corrected from the wrong end",
        "report/claims/statistics.py",
        "np.arange(len(p_values), 0, -1)",
        "np.arange(1, len(p_values) + 1)",
        "report/test_claims_statistics.py",
    ),
    Bug(
        "claims: contradicted by one of many parts, not corrected for their number",
        "report/claims/statistics.py",
        "min(1.0, len(parts) * float(opposite.min()))",
        "min(1.0, float(opposite.min()))",
        "report/test_claims_statistics.py",
    ),
    Bug(
        "claims: ends of the interval one Walsh average too far inside",
        "report/claims/statistics.py",
        'side="right"))',
        'side="right")) + 1',
        "report/test_claims_statistics.py",
    ),
    Bug(
        "claims: seeds needed by the formula of the sign test",
        "report/claims/statistics.py",
        "1 / (np.sqrt(3) * abs(lead))",
        "1 / (2 * abs(lead))",
        "report/test_claims_power.py",
    ),
    Bug(
        "claims: the unpruned machine of another iteration",
        "report/claims/patches_fit.py",
        "partial(courses.after, UNPRUNED, iteration=iteration)",
        "partial(courses.after, UNPRUNED, iteration=1)",
        "report/test_claims_patches_fit.py",
    ),
    Bug(
        "claims: chance of a mark that could lie beyond the last iteration",
        "report/claims/digits_course.py",
        "len(marking) / last",
        "2 / last",
        "report/test_claims_digits.py",
    ),
    Bug(
        "share of the data that samples miss: patterns, not cases",
        "evaluation/patterns.py",
        "float(data_counts[sampled_counts == 0].sum() / data_counts.sum())",
        "float(np.mean(sampled_counts == 0))",
        "evaluation/test_patterns_evaluation.py",
    ),
    Bug(
        "compiled Gibbs sampling: all chains share random numbers",
        "backend/cpu/gibbs.py",
        "tags[layer], first_chain + c, step",
        "tags[layer], first_chain, step",
        "sampling/test_deep_gibbs.py",
    ),
    Bug(
        "compiled Gibbs sampling: even layers first",
        "backend/cpu/gibbs.py",
        "for parity in (1, 0):",
        "for parity in (0, 1):",
        "sampling/test_deep_gibbs.py",
    ),
    Bug(
        "compiled CD: the decay of the step is forgotten",
        "backend/cpu/cd.py",
        "change = decay * step[j] + exists[j] *",
        "change = exists[j] *",
        "learning/test_training.py",
    ),
    Bug(
        "compiled joint training: the mask is not applied",
        "backend/cpu/gradient.py",
        "(float32(exists[j]) * up[j])",
        "up[j]",
        "backend/test_joint.py",
    ),
    Bug(
        "compiled mean field: input doubled in the top layer too",
        "backend/cpu/mean_field.py",
        "gain = float32(2) if layer < top else float32(1)",
        "gain = float32(2)",
        "backend/test_mean_field.py",
    ),
    Bug(
        "training side by side: a failure names the first machine of the list",
        "core/contrastive.py",
        "raise NotFiniteError(error.update, len(results)) from None",
        "raise NotFiniteError(error.update, 0) from None",
        "learning/test_training.py",
    ),
    Bug(
        "compiled CD: visible units draw the numbers of the hidden ones",
        "backend/cpu/arithmetic.py",
        "return Words(blocks, tags, offsets[-1], *halves(key))",
        "return Words(blocks, tags, 0, *halves(key))",
        "learning/test_training.py",
    ),
    Bug(
        "compiled low-rank CD: the first case of a piece is that of the epoch",
        "backend/cpu/cd_low_rank.py",
        "float32(0), cases[done], field)",
        "float32(0), cases[0], field)",
        "backend/test_backends.py",
    ),
    Bug(
        "CUDA: a kernel is compiled for one of its examples",
        "backend/gpu/kernels/__init__.py",
        "for example in examples]",
        "for example in examples[:1]]",
        "backend/test_gpu_compile.py",
    ),
    Bug(
        "CUDA, CD: the sign of the hidden biases",
        "backend/gpu/kernels/contrastive.cu",
        "step_of(hidden_step, decay, learning_rate, positive - negative)",
        "step_of(hidden_step, decay, learning_rate, negative - positive)",
        "learning/test_training.py",
    ),
    Bug(
        "retraining: the random numbers of the training",
        "study/stages/retrain.py",
        'spec["retraining"], spec["iteration"])',
        'spec["retraining"], 0)',
        "pruning/test_controls.py",
    ),
    Bug(
        "jobs: an experiment's own number of seeds is not looked at",
        "study/jobs.py",
        "return study.seeds if own is None else own",
        "return study.seeds",
        "study/test_jobs.py",
    ),
    Bug(
        "Figure 2: the control is drawn where nothing is retrained yet",
        "report/figures/fig2.py",
        'if phase == "retrained"]',
        'if phase == "pruned"]',
        "pruning/test_controls.py",
    ),
    Bug(
        "CUDA, Gibbs sampling: all chains share random numbers",
        "backend/gpu/kernels/gibbs.cu",
        "chain_offset + blockIdx.x",
        "chain_offset",
        "backend/test_gpu_gibbs.py",
    ),
    Bug(
        "AIS on a GPU: the weights of the chains are left on the card, for NumPy to look into",
        "sampling/ais.py",
        "_estimate(log_z_base, backend.to_host(log_weight))",
        "_estimate(log_z_base, log_weight)",
        "sampling/test_ais.py",
    ),
    Bug(
        "CUDA, fields: weights by the wrong axis",
        "backend/gpu/kernels/field.cu",
        "u64 from = is_below ?",
        "u64 from = !is_below ?",
        "sampling/test_deep_gibbs.py",
    ),
    Bug(
        "CUDA, joint training: visible units draw the numbers of layer 2",
        "backend/gpu/kernels/chains.cuh",
        "draw_words(my, field, my.bias0[v - my.first0], word, v, step, 0,",
        "draw_words(my, field, my.bias0[v - my.first0], word, v, step, 2,",
        "backend/test_gpu_joint.py",
    ),
    Bug(
        "CUDA, chains: of columns that share a lane only the last one counts as busy",
        "backend/gpu/kernels/chains.cuh",
        "busy |= my.bits2[j * my.n_words + word]",
        "busy = my.bits2[j * my.n_words + word]",
        "backend/test_gpu_joint.py",
    ),
    Bug(
        "CUDA, tensor cores: states of the wrong eight chains",
        "backend/gpu/kernels/chains.cuh",
        "chains + 16 * m + g + k / 2 * 8]",
        "chains + 16 * m + g + k % 2 * 8]",
        "backend/test_gpu_joint.py",
    ),
    Bug(
        "CUDA, mean field: what the last block contributes is left out",
        "backend/gpu/kernels/mean_field.cuh",
        "value[k] = start + k < my.n_blocks ?",
        "value[k] = start + k + 1 < my.n_blocks ?",
        "backend/test_gpu_joint.py",
    ),
    Bug(
        "CUDA, mean field: an image ends before its means have settled",
        "backend/gpu/kernels/mean_field.cuh",
        "if (!is_first) open &= told;",
        "open &= told;",
        "backend/test_gpu_joint.py",
    ),
    Bug(
        "CUDA, free runs: the chains of a machine are those of another",
        "backend/gpu/machines_on_card.py",
        "self.chains[k, :, place].copy()",
        "self.chains[0, :, place].copy()",
        "backend/test_gpu_joint.py",
    ),
    Bug(
        "CUDA, joint training: norms limited from below",
        "backend/gpu/kernels/joint.cu",
        "return norm > max_norm ?",
        "return norm < max_norm ?",
        "backend/test_gpu_joint.py",
    ),
    Bug(
        "Anti-FI at a percentile: the ties go too",
        "pruning/weights.py",
        "(saliency >= percentile) if ties_stay else (saliency > percentile)",
        "(saliency > percentile) if ties_stay else (saliency > percentile)",
        "pruning/test_pruning.py",
    ),
    Bug(
        "whole units of a layer: one more than its fraction allows",
        "pruning/units.py",
        'np.searchsorted(removed, n_most, side="right")',
        'np.searchsorted(removed, n_most, side="right") + 1',
        "pruning/test_deep_pruning_units.py",
    ),
    Bug(
        "whole units: those of a fraction of the weights go by their place where they are equal",
        "pruning/units.py",
        '"weights": UnitRule(nearest_in_weights, ties_at_random=True)',
        '"weights": UnitRule(nearest_in_weights, ties_at_random=False)',
        "pruning/test_deep_pruning_units.py",
    ),
    Bug(
        "pruning: the zero rule in both experiments",
        "pruning/prune.py",
        'getattr(pruning, "zero_rule", None)',
        'getattr(pruning, "zero_rule", "share")',
        "pruning/test_pruning.py",
    ),
    Bug(
        "pruning: the chains keep the units that went",
        "study/stages/prune.py",
        "[states[:, keep] for states, keep in zip(chains, pruned.remaining)]",
        "[states for states, keep in zip(chains, pruned.remaining)]",
        "study/test_deep_stages.py",
    ),
    Bug(
        "pruning: the fractions of the layers swapped",
        "pruning/prune.py",
        "return list(pruning.fraction)",
        "return list(pruning.fraction)[::-1]",
        "pruning/test_deep_pruning.py",
    ),
    Bug(
        "ending: of a criterion of whole units that needs the eigenvector",
        "pruning/ending.py",
        'saliency=random_units, needs="statistics")',
        "saliency=random_units)",
        "pruning/test_ending.py",
    ),
    Bug(
        "a count of whole units: rounded instead of cut",
        "pruning/units.py",
        "int(Fraction(str(fraction)) * len(order))",
        "round(Fraction(str(fraction)) * len(order) + Fraction(1, 100))",
        "pruning/test_pruning.py",
    ),
    Bug(
        "second RBM: it learns means above 1/2",
        "learning/pretraining.py",
        "return states_above(visible, weights, hidden_bias, up, (key, 1, 1), backend)",
        "return (visible.astype(np.float32) @ weights + hidden_bias > 0).astype(np.uint8)",
        "learning/test_pretraining.py",
    ),
    Bug(
        "chains after a pruning: they go on where they should restart",
        "study/stages/train_jointly.py",
        'training.chains == "restart"',
        'training.chains == "restart now"',
        "study/test_deep_chains.py",
    ),
    Bug(
        "chains that restart: the input of the top layer is doubled too",
        "learning/joint_training.py",
        "up, _ = gains(layer, len(machine.weights))",
        "up, _ = gains(layer, len(machine.weights) + 1)",
        "study/test_deep_chains.py",
    ),
    Bug(
        "order of the patterns: every seed has that of the first",
        "study/stages/train.py",
        'fork(seed, "order of patterns")',
        'fork(job.seeds[0], "order of patterns")',
        "study/test_stages.py",
    ),
    Bug(
        "learning rate of the last epoch: it replaces the first",
        "core/schedules.py",
        "return [*pairs, (schedule.last_learning_rate or rate, momentum)]",
        "return [(schedule.last_learning_rate or rate, momentum), *pairs]",
        "core/test_schedules.py",
    ),
    Bug(
        "raw files: a remembered checksum holds although the file was written",
        "datasets/raw_files.py",
        "value if before == stamp else _read(path)",
        "value or _read(path)",
        "datasets/test_raw_files.py",
    ),
    Bug(
        "raw files: the date of the entry in its folder does not count",
        "datasets/raw_files.py",
        "found.st_mtime_ns, found.st_ctime_ns]",
        "found.st_mtime_ns, found.st_mtime_ns]",
        "datasets/test_raw_files.py",
    ),
    Bug(
        "raw files: what is read is not compared with what was found",
        "study/stages/fetch.py",
        '[file["sha256"] for file in files], remedy',
        "[raw_files.checksums([path])[path.name] for path in paths], remedy",
        "datasets/test_raw_files.py",
    ),
    Bug(
        "transposed images: turned by a quarter instead",
        "datasets/digits.py",
        "stack.swapaxes(1, 2) if settings.transposed",
        "np.rot90(stack, axes=(1, 2)) if settings.transposed",
        "datasets/test_digits.py",
    ),
    Bug(
        "layouts: images along the last axis pass",
        "datasets/layouts.py",
        "(n == height and width > 2 * height)",
        "(n == width and height > 2 * width)",
        "datasets/test_layouts.py",
    ),
    Bug(
        "binary images: the lower value is 1",
        "datasets/binary.py",
        "(stack == values[1]).view(np.uint8)",
        "(stack == values[0]).view(np.uint8)",
        "datasets/test_patches.py",
    ),
    Bug(
        "files on standard input: quotes are taken for parts of names",
        "__main__.py",
        "shlex.split(line) or",
        "line.split() or",
        "cases/test_cases_rules.py",
    ),
    Bug(
        "a criterion's folder: signs that shells take apart stay in its name",
        "pruning/criteria.py",
        'r"[^\\w.+-]"',
        'r"[{}<>]"',
        "cases/test_cases_rules.py",
    ),
    Bug(
        "raw files: a closing brace in a path is let through",
        "study/paths.py",
        'r"[{}]"), "braces',
        'r"[{]"), "braces',
        "cases/test_cases_rules.py",
    ),
    Bug(
        "a working folder that Snakemake cannot quote: refused for few files, too",
        "study/paths.py",
        "longest_list > LONG and",
        "longest_list >= LONG and",
        "cases/test_cases_rules.py",
    ),
    Bug(
        "Figure 1: the diagonal in place of the leading eigenvector",
        "report/figures/fig1.py",
        '"c.csv": _importance(np.abs(eigenvector), mask)',
        '"c.csv": _diagonal(found, mask)',
        "report/test_fig1.py",
    ),
    Bug(
        "Figure 1: panel D from the table of panel C",
        "report/figures/fig1.py",
        'panels["d.csv"], "D"',
        'panels["c.csv"], "D"',
        "report/test_fig1.py",
    ),
    Bug(
        "Figure 2: errors with the standard error for the standard deviation",
        "report/figures/fig2.py",
        'mse_sd="std"',
        'mse_sd="sem"',
        "report/test_fig2.py",
    ),
    Bug(
        "Figure 2: pruned and retrained machines exchanged",
        "report/figures/fig2.py",
        '(("pruned", "after pruning"), ("retrained", "after retraining"))',
        '(("retrained", "after pruning"), ("pruned", "after retraining"))',
        "report/test_fig2.py",
    ),
    Bug(
        "Figure 2: entries of the legend exchanged",
        "report/figures/fig2.py",
        "figure.legend(handles, labels,",
        "figure.legend(handles[::-1], labels,",
        "report/test_figure_colours.py",
    ),
    Bug(
        "Figure 3: titles of the maps in the colour of another criterion",
        "report/figures/fig3.py",
        "color=look.colours[name])\n        if place",
        "color=list(look.colours.values())[place - 1])\n        if place",
        "report/test_figure_colours.py",
    ),
    Bug(
        "S1 Figure: every line in the colour of the first criterion",
        "report/figures/s1.py",
        '"color": look.colours[name], "label"',
        '"color": list(look.colours.values())[0], "label"',
        "report/test_figure_colours.py",
    ),
    Bug(
        "tables in LaTeX: a label is not escaped",
        "report/tables/table1.py",
        '" & ".join([tex(label), *row])',
        '" & ".join([label, *row])',
        "report/test_latex.py",
    ),
    Bug(
        "retraining of RBMs and of the control: the stream of the first training",
        "study/stages/train.py",
        'keys = [fork(seed, "training", iteration)',
        'keys = [fork(seed, "training", 0)',
        "learning/test_retraining_streams.py",
    ),
    Bug(
        "digests: a module that computes is left out",
        "results/provenance.py",
        '        "boltzprune.results.lifeline",\n',
        '        "boltzprune.results.lifeline",\n        "boltzprune.learning.training",\n',
        "results/test_not_in_digest.py",
    ),
    Bug(
        "jobs: a key that is new to section pruning is not looked at",
        "study/jobs.py",
        "pruning.model_dump(exclude=of_others)",
        'pruning.model_dump(include={"fraction", *_options(row)})',
        "study/test_job_keys.py",
    ),
    Bug(
        "configuration: the default criteria are all of the list",
        "study/config/digits.py",
        '["variance_fi", "heuristic_fi", "weight_magnitude", "random_weights", "anti_fi", "random_units"],',
        'list(__import__("boltzprune.pruning.criteria").criteria.CRITERIA),',
        "pruning/test_criteria_of_studies.py",
    ),
    Bug(
        "ending: an empty machine is written, and the course goes on",
        "core/machine.py",
        "return 0 in self.n_weights",
        "return False",
        "pruning/test_pruning.py pruning/test_deep_pruning_units.py",
    ),
    Bug(
        "ending: a course that ended before is forgotten",
        "study/stages/prune.py",
        "job.provenance(ended))",
        "job.provenance({s: k for s, k in ended.items() if k == spec['iteration']}))",
        "cases/test_cases_last_unit.py",
    ),
    Bug(
        "ending: the seeds that ended are in the means",
        "report/tables/table1.py",
        'rows[sizes].where(rows["phase"] != ENDED)',
        "rows[sizes]",
        "results/test_missing_seeds.py",
    ),
    Bug(
        "ending: the iteration of the end instead of the last with a machine",
        "results/tidy.py",
        'f"after iteration {iteration - 1}"',
        'f"after iteration {iteration}"',
        "results/test_missing_seeds.py",
    ),
    Bug(
        "ending: foretold an iteration too early",
        "pruning/ending.py",
        "for iteration in range(1, n_iterations + 1):",
        "for iteration in range(n_iterations):",
        "pruning/test_ending.py",
    ),
    Bug(
        "ending: the ratio of zeros is taken as their share",
        "pruning/ending.py",
        '== "ratio":',
        '== "none":',
        "pruning/test_ending.py",
    ),
    Bug(
        "digest of code: fields that only some interpreters have",
        "results/canonical.py",
        "value not in (None, [])",
        "value is not None",
        "results/test_canonical.py",
    ),
    Bug(
        "compiled code: that of other arguments is taken",
        "backend/cpu/cache.py",
        "return data if found_key == key else None",
        "return data",
        "faults/test_faults_cache.py",
    ),
    Bug(
        "memory runs out: the file that was being read is called damaged",
        "results/store.py",
        "        except MemoryError:\n            raise\n        except Exception as error:\n"
        '            raise InputError(f"{self.path}: {name!r}',
        '        except Exception as error:\n            raise InputError(f"{self.path}: {name!r}',
        "faults/test_faults_memory.py",
    ),
    Bug(
        "data: a source with files is read without any",
        "study/stages/fetch.py",
        " or (source.place and not files)",
        "",
        "datasets/test_sources.py",
    ),
    Bug(
        "configuration: presets of the wrong key are told",
        "study/config/commented.py",
        "_presets(place)",
        "_presets(key)",
        "study/test_settings.py",
    ),
    Bug(
        "two runs: one that reads what the other writes is let in",
        "study/running.py",
        ' | set(own["reads"]) & set(other["writes"])',
        "",
        "study/test_running.py",
    ),
    Bug(
        "a log is written through a link",
        "__main__.py",
        "if path.is_symlink():",
        "if False:",
        "faults/test_faults_links.py",
    ),
    Bug(
        "own criterion: its helpers are found only while it is loaded",
        "pruning/own_files.py",
        "            with self.in_place():\n                return function(*arguments)",
        "            return function(*arguments)",
        "pruning/test_own_criteria.py",
    ),
    Bug(
        "own criterion: a library with the name of a helper is not put back",
        "pruning/own_files.py",
        "                sys.modules.update(others)\n",
        "",
        "pruning/test_own_criteria.py",
    ),
    Bug(
        "own criterion: what a helper imports in a package does not count",
        "pruning/own_files.py",
        'len(package.split(".")) - node.level + 1',
        'len(package.split(".")) - node.level',
        "pruning/test_own_criteria_digest.py",
    ),
    Bug(
        "exact: a listed state and a unit given it share their random numbers",
        "sampling/exact.py",
        "uniform_double(key, 0, one.listed[0],",
        "uniform_double(key, 0, 0,",
        "sampling/test_exact_deep.py",
    ),
    Bug(
        "exact: chunks of patterns count alike, however many patterns they hold",
        "sampling/exact.py",
        "(part.n_patterns / len(visible), part.statistics())",
        "(1 / len(clamped(machine, visible)), part.statistics())",
        "sampling/test_exact_deep.py",
    ),
    Bug(
        "enumeration: the weights between a clamped and a listed layer are left out",
        "sampling/enumeration.py",
        "if lower is not None and upper is not None:",
        "if lower is not None and upper is not None and lower is not states[0]:",
        "sampling/test_exact_deep.py",
    ),
    Bug(
        "enumeration: the sums over the patterns of an RBM in another order",
        "sampling/enumeration.py",
        "rates[layer] += weighted.sum(axis=0)",
        "rates[layer] += p @ means[layer]",
        "sampling/test_exact.py",
    ),
    Bug(
        "enumeration: of an RBM the smaller side is listed",
        "sampling/enumeration.py",
        " and not is_small_rbm else 0",
        " else 0",
        "sampling/test_exact.py",
    ),
    Bug(
        "encoding: every piece of the images has the random numbers of the first",
        "evaluation/encoding.py",
        "return backend.advance(device_machine, start, key, 0, n_gibbs_steps, first, first_layer=1)[-1]",
        "return backend.advance(device_machine, start, key, 0, n_gibbs_steps, 0, first_layer=1)[-1]",
        "evaluation/test_encode.py",
    ),
    Bug(
        "encoding: the image is not clamped",
        "evaluation/encoding.py",
        "n_gibbs_steps, first, first_layer=1)[-1]",
        "n_gibbs_steps, first)[-1]",
        "evaluation/test_encode.py",
    ),
    Bug(
        "states: the number of rows may differ",
        "core/machine.py",
        "or shapes != expected:",
        "or [s[1:] for s in shapes] != [e[1:] for e in expected]:",
        "core/test_misuse.py",
    ),
    Bug(
        "feasible: the crop is taken off one side",
        "study/feasible.py",
        "n - 2 * digits.data.crop for",
        "n - digits.data.crop for",
        "study/test_feasible.py",
    ),
    Bug(
        "auto: a GPU for which nothing can be compiled is taken",
        "backend/gpu/driver.py",
        "or _compiler_problem(driver, packages, compiler)",
        "",
        "backend/test_gpu_driver.py",
    ),
    Bug(
        "work: a joint update moves one chain",
        "study/cost/workload.py",
        "gibbs(found, n_updates * training.n_gibbs_steps * found.n_chains)",
        "gibbs(found, n_updates * training.n_gibbs_steps)",
        "study/test_workload.py",
    ),
    Bug(
        "work: of what is done one after the other the last is counted",
        "study/cost/workload.py",
        "total.get(kind, 0) + amount",
        "amount",
        "study/test_workload.py",
    ),
    Bug(
        "digests: what a type checker imports counts as code",
        "results/provenance.py",
        "            waiting += node.orelse\n",
        "            waiting += ast.iter_child_nodes(node)\n",
        "results/test_provenance.py",
    ),
    Bug(
        "configuration: the lists of names take any text",
        "study/config/base.py",
        "core_schema.literal_schema(list(names))",
        "core_schema.str_schema()",
        "study/test_settings_bad_input.py",
    ),
    Bug(
        "work: receptive fields are as far apart as an image is high",
        "study/cost/sizes.py",
        "dy * width + dx + 1",
        "dy * height + dx + 1",
        "study/test_workload.py",
    ),
    Bug(
        "estimates: the start of a job is in proportion to its work",
        "study/reruns/estimates.py",
        "at_work = every - len(others) * start",
        "at_work = every",
        "study/test_estimates.py",
    ),
    Bug(
        "estimates: a job with more to do takes what it took",
        "study/reruns/estimates.py",
        "own.is_like(now) and own.work == now.work",
        "own.is_like(now)",
        "study/test_estimates.py",
    ),
    Bug(
        "limits: seeds share threads as if they could be divided",
        "study/cost/limits.py",
        "math.ceil(n_seeds / threads) / n_seeds",
        "1 / threads",
        "study/test_workload.py",
    ),
    Bug(
        "progress: the rate counts compiling",
        "study/progress.py",
        "time.monotonic() - self._start - (PREPARATION.seconds - self._unprepared)",
        "time.monotonic() - self._start",
        "study/test_progress.py",
    ),
]


def planted(bug):
    """The text of the file with the mistake."""
    text = (PACKAGE / bug.file).read_text(encoding="utf-8")
    assert text.count(bug.old) == 1, f"{bug.name}: {bug.file} has its text {text.count(bug.old)} times"
    return text.replace(bug.old, bug.new)


def copy_of_the_package(folder, bug=None):
    """A copy of the package below a folder, which is returned, with what is compiled of it already.

    With a mistake in compiled code, nothing is compiled: one function's code lies in another's too.
    """
    shutil.copytree(PACKAGE, folder / PACKAGE.name)
    if bug:
        path = folder / PACKAGE.name / bug.file
        path.write_text(planted(bug), encoding="utf-8")
        if path.parent.name == "cpu":
            for compiled in path.parent.glob("__pycache__/*.nb?"):
                compiled.unlink()
    return folder


def outcome(tests, folder):
    """Exit status of pytest with that copy of the package, 0 passed, 1 failed; and the end of what it printed."""
    files = [f"tests/{test}" for test in tests.split()]
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *files]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr)[-2000:]
