"""Every command once, as a user would type it."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

import bioneuro
from bioneuro import Topology, cli, models

KEPT = ("compare", "recall", "train", "draw", "info", "warmup")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Commands write into the current folder."""
    monkeypatch.chdir(tmp_path)


def run(text: str) -> int:
    return cli.main(text.split())


def test_every_command_has_a_line_of_help_and_an_example(capsys):
    assert tuple(cli.COMMANDS) == KEPT
    for name, command in cli.COMMANDS.items():
        with pytest.raises(SystemExit) as ended:
            run(f"{name} --help")
        shown = capsys.readouterr().out
        assert ended.value.code == 0
        assert " ".join(command.example.split()) in " ".join(shown.split())
        assert command.example.startswith(f"bioneuro {name}")


def test_python_m_is_the_command_line():
    def spoken(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "bioneuro", *arguments], capture_output=True, text=True, timeout=60
        )

    shown = spoken("--version")
    assert (shown.returncode, shown.stdout) == (0, f"bioneuro {bioneuro.__version__}\n")
    mistaken = spoken("draw", "mpl", "3")
    assert mistaken.returncode == 2
    assert mistaken.stderr.startswith("bioneuro draw: unknown topology 'mpl'")


def test_without_a_command_the_commands_are_listed(capsys):
    assert run("") == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in KEPT)


def test_compare_writes_a_report_and_prints_the_table(tmp_path, capsys):
    assert run("compare --models hopfield --tasks complete --seeds 1 --jobs 1 --out out") == 0
    shown = capsys.readouterr().out
    assert "hopfield" in shown
    assert "nearest neighbour" in shown
    assert (tmp_path / "out" / "report.html").exists()
    assert (tmp_path / "out" / "results.csv").exists()


def test_recall_shows_the_memory_from_the_shell(tmp_path, capsys):
    assert run("recall --flip 0.2 --rule pseudo-inverse") == 0
    lines = capsys.readouterr().out.splitlines()
    recalled = next(line for line in lines if line.startswith("recalled"))
    assert int(recalled.split()[-3]) >= 8  # of 10, without a wrong pixel
    assert (tmp_path / "recall.png").stat().st_size > 10_000


def test_recall_shows_hebb_failing_on_digits_that_resemble_each_other(capsys):
    assert run("recall --flip 0.2 --rule hebb") == 0
    recalled = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("recalled"))
    assert int(recalled.split()[-3]) <= 3


def test_train_tells_the_accuracy_and_keeps_the_model(tmp_path, capsys):
    assert run("train backprop --out network.npz") == 0
    assert "accuracy 0.9" in capsys.readouterr().out
    _, test = bioneuro.load_digits().split(random_state=0)
    assert bioneuro.load(tmp_path / "network.npz").score(test.X, test.y) > 0.95


@pytest.mark.parametrize("what", ["mlp 64 100 10", "hopfield 64", "rbm 64 20", "lenet5", "net.json", "model.npz"])
def test_draw_draws_builders_and_files(tmp_path, capsys, what):
    (tmp_path / "net.json").write_text(Topology.mlp(4, 3, 2).to_json())
    bioneuro.save(tmp_path / "model.npz", Topology.mlp(5, 3, 2))
    assert run(f"draw {what} --out drawn.png") == 0
    assert "Topology(" in capsys.readouterr().out
    assert (tmp_path / "drawn.png").stat().st_size > 5_000


def test_info_tells_versions_and_models(capsys):
    assert run("info") == 0
    shown = capsys.readouterr().out
    assert "numba" in shown
    assert "backprop-dropout" in shown


def test_info_names_a_model_that_does_not_load_beside_those_that_do(monkeypatch, capsys):
    known = {"gone": EntryPoint("gone", "no_such_module:Model", models.GROUP)} | models.installed()
    monkeypatch.setattr(models, "installed", lambda: known)
    assert run("info") == 0
    shown = capsys.readouterr().out
    assert "the model 'gone', installed as no_such_module:Model, does not load: No module named" in shown
    assert "hopfield" in shown


def test_warmup_counts_kernels(capsys):
    assert run("warmup") == 0
    shown = capsys.readouterr().out
    assert "loaded from the cache" in shown
    assert int(shown.split()[0]) + int(shown.split()[3]) > 0


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("compare --models bakprop", "unknown model 'bakprop'; did you mean 'backprop'"),
        ("compare --tasks clasify", "did you mean 'classify'"),
        ("compare --seeds 0", "seeds must be an integer in [1, inf)"),
        ("compare --data mnist --path nowhere", "train-images-idx3-ubyte"),
        ("recall --rule heb", "did you mean 'hebb'"),
        ("recall --flip 1.5", "flip must be a number in [0, 1]"),
        ("train autoencoder", "autoencoder does not classify: learns codes of pictures, no labels"),
        ("draw mpl 3 4", "unknown topology 'mpl'; did you mean 'mlp'"),
        ("draw hopfield", "hopfield does not take the sizes []"),
        ("draw missing.json", "cannot read 'missing.json'"),
    ],
)
def test_a_mistake_is_one_line_on_standard_error(command, message, capsys):
    assert run(command) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert len(shown.err.strip().splitlines()) == 1
    assert shown.out == ""


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert run(f"compare --models hopfield --tasks complete --out {tmp_path}") == 2
    assert "not a report of ours" in capsys.readouterr().err


def test_ctrl_c_is_told_and_not_traced(monkeypatch, capsys):
    def interrupted(parsed):
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.COMMANDS, "info", cli.COMMANDS["info"]._replace(run=interrupted))
    assert run("info") == 130
    assert "what was finished is kept" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("recall --out nowhere/x.png", "there is no folder"),
        ("recall --out x.xyz", "Format 'xyz' is not supported"),
        ("draw mlp 3 2 --out nowhere/x.png", "there is no folder"),
        ("train backprop --out nowhere/x.npz", "there is no folder"),
        ("compare --jobs 0", "n_jobs must be 1 or more"),
        ("compare --tasks ,", "at least one task"),
    ],
)
def test_a_place_that_cannot_be_written_is_told_before_the_work(command, message, capsys):
    assert run(command) == 2
    assert message in capsys.readouterr().err


def test_recall_is_the_same_for_the_same_seed(tmp_path, capsys):
    shown = []
    for _ in range(2):
        assert run("recall --seed 3") == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]


def test_a_memory_without_neurons_has_nothing_to_say(capsys):
    assert run("recall --lesion 1") == 0
    assert "nobody is left" in capsys.readouterr().out
