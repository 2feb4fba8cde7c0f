"""`ssr_mmseg.load`: predictions of every kind of file, their profile, and one line for bad input."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmseg.apis import inference_model, init_model
from patience import PATIENCE
from PIL import Image
from tiny_experiment import DATASET

import ssr_mmseg
from ssr_mmseg.architecture.genotype import Genotype
from ssr_mmseg.deploy.export import ExportOptions
from ssr_mmseg.profiling import count_parameters
from ssr_mmseg.settings import paths
from ssr_mmseg.settings.paths import PROJECT
from ssr_mmseg.stages.export import export_network
from ssr_mmseg.training.checkpoint.state_file import save_state
from ssr_mmseg.training.checkpoint.weights import load_checkpoint
from ssr_mmseg.utils.files import write_json

BRIEF = {"min_runs": 3, "min_seconds": 0.01, "warmup_seconds": 0.01}
SIZE = (32, 64)


@pytest.fixture(scope="module")
def searched(results) -> ssr_mmseg.Network:
    return ssr_mmseg.load(results.network("searched"), device="cpu")


@pytest.fixture(scope="module")
def exported(results) -> Path:
    path = results.folder / "net.onnx"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(results.folder)
        export_network(results.config, DATASET, 0, "searched", path, ExportOptions("logits"))
    return path


def other_size(frame: Path) -> np.ndarray:
    """A frame as an array (75, 131, 3), RGB, which is not the size of the network."""
    return np.asarray(Image.open(frame).convert("RGB").resize((131, 75)))


def test_predictions_are_those_of_the_evaluation(here, network, evaluated):
    net = ssr_mmseg.load(here.network(network), device="cpu")
    for path, labels in evaluated.items():
        predicted = net.predict(path)
        assert predicted.dtype == np.uint8
        assert np.array_equal(predicted, labels.numpy())


def test_predictions_at_any_size_are_those_of_mmseg(results, searched):
    files = [results.network("searched") / name for name in ("config.py", "weights.pth")]
    model = init_model(files[0], str(files[1]), device="cpu")
    for frame in results.frames():
        image = other_size(frame)
        expected = inference_model(model, image[:, :, ::-1].copy()).pred_sem_seg.data.squeeze(0).numpy()
        assert expected.shape == (75, 131)
        assert np.array_equal(searched.predict(image), expected)


def test_paths_arrays_pil_images_and_lists_are_the_same_image(results, searched):
    frame = results.frames()[0]
    image = Image.open(frame).convert("RGB")
    expected = searched.predict(frame)
    several = searched.predict([str(frame), image, np.asarray(image), image.convert("RGBA")])
    assert len(several) == 4
    assert all(np.array_equal(labels, expected) for labels in several)
    assert len(np.unique(searched.palette[expected].reshape(-1, 3), axis=0)) == len(np.unique(expected))


def test_the_network_describes_itself(here, searched):
    assert (
        searched.classes == load_checkpoint(here.network("searched") / "weights.pth")["meta"]["dataset_meta"]["classes"]
    )
    assert searched.palette.shape == (11, 3)
    assert searched.size == SIZE
    assert searched.genotype == Genotype.read(here.path(paths.GENOTYPE))
    assert searched.parameters == count_parameters(searched.segmentor)  # it has no auxiliary head
    assert "11 classes at 32x64" in repr(searched)


def test_a_profile_is_a_record_of_latency_and_size(searched):
    record = searched.profile(**BRIEF)
    assert (record["params"], record["macs"]) == (searched.parameters, searched.macs)
    assert record["fps"] == pytest.approx(1000 / record["latency_ms_p50"])
    assert (record["size"], record["batch"], record["backend"], record["device_type"]) == ([32, 64], 1, "eager", "cpu")
    larger = searched.profile((64, 64), "onnxruntime", batch=2, **BRIEF)
    assert (larger["size"], larger["batch"], larger["backend"]) == ([64, 64], 2, "onnxruntime")
    assert larger["macs"] == pytest.approx(2 * searched.macs, rel=0.02)


def test_a_genotype_with_its_weights_is_the_same_network(here, searched):
    weights = here.network("searched") / "weights.pth"
    pair = ssr_mmseg.load(here.path(paths.GENOTYPE), weights, device="cpu")
    config = ssr_mmseg.load(here.network("searched") / "config.py", weights, device="cpu")
    for net in (pair, config):
        assert (net.classes, net.size, net.parameters) == (searched.classes, searched.size, searched.parameters)
        for frame in here.frames()[::5]:
            assert np.array_equal(net.predict(frame), searched.predict(frame))


def test_weights_of_an_earlier_version_need_a_size(here, tmp_path, searched):
    state = load_checkpoint(here.network("searched") / "weights.pth")["state_dict"]
    save_state(tmp_path / "old.pth", {"model": state})
    with pytest.raises(ssr_mmseg.UserError, match=r"old\.pth does not give the network's input size; specify it"):
        ssr_mmseg.load(here.path(paths.GENOTYPE), tmp_path / "old.pth")
    net = ssr_mmseg.load(here.path(paths.GENOTYPE), tmp_path / "old.pth", size=SIZE, device="cpu")
    assert net.classes[:2] == ["class 0", "class 1"]
    assert np.array_equal(net.predict(here.frames()[0]), searched.predict(here.frames()[0]))


def test_an_exported_file_predicts_the_same_without_torch(results, exported, searched, tmp_path):
    program = f"""
import sys
for name in ("torch", "mmcv", "mmengine", "mmseg"):
    sys.modules[name] = None  # importing it raises ImportError
import numpy as np
import ssr_mmseg
net = ssr_mmseg.load({str(exported)!r})
np.savez({str(tmp_path / "labels.npz")!r}, *net.predict({[str(frame) for frame in results.frames()]!r}))
print(net.classes[0], net.size, net.parameters, net.macs)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Sky (32, 64) None None\n"
    with np.load(tmp_path / "labels.npz") as maps:
        pairs = [(maps[name], searched.predict(frame)) for name, frame in zip(maps, results.frames(), strict=True)]
    assert all(own.shape == other.shape for own, other in pairs)
    assert np.mean([own == other for own, other in pairs]) > 0.998  # ONNX Runtime adds in another order


def test_an_exported_file_is_profiled_as_it_is(exported):
    net = ssr_mmseg.load(exported)
    record = net.profile(**BRIEF)
    assert record["backend"] == "onnxruntime"
    assert record["fps"] == pytest.approx(1000 / record["latency_ms_p50"])
    with pytest.raises(ssr_mmseg.UserError, match="whose backend is onnxruntime, found eager"):
        net.profile(backend="eager")
    with pytest.raises(ssr_mmseg.UserError, match=r"whose size is \(32, 64\), found \(64, 64\)"):
        net.profile([64, 64])


def test_importing_the_package_imports_nothing_heavy():
    program = "import ssr_mmseg, sys; dir(ssr_mmseg); print({'torch', 'mmengine', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


def test_every_listed_name_exists_and_says_what_it_is():
    assert set(dir(ssr_mmseg)) == {*ssr_mmseg.__all__, "__version__"}
    for name in ssr_mmseg.__all__:
        assert getattr(ssr_mmseg, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ssr_mmseg.nothing


@pytest.fixture
def bad(here, tmp_path):
    """Files that are not what `load` expects, in an otherwise empty working directory."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("notes")
    (tmp_path / "net.onnx").write_text("no graph")
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "only_model.py").write_text("model = dict(type='EncoderDecoder')\n")
    genotype = Genotype.read(here.path(paths.GENOTYPE)).to_dict()
    block = genotype["stages"][1]["blocks"][-1]
    block["mid"] -= 2
    write_json(tmp_path / "other.json", genotype)
    return tmp_path


@pytest.mark.parametrize(
    ("source", "weights", "message"),
    [
        ("absent", None, "absent not found; expected the folder of a retrained network"),
        ("empty", None, r"empty has no config\.py and no weights\.pth; expected the folder of a retrained network"),
        ("notes.txt", None, r"notes\.txt is of no known type; expected a folder, a genotype \(\.json\)"),
        ("net.onnx", None, r"net\.onnx is not an ONNX model"),
        ("net.onnx", "weights.pth", "takes no weights"),
        ("other.json", None, r"other\.json needs its weights too"),
        ("list.json", "weights.pth", r"list\.json is not a genotype"),
        ("other.json", "weights.pth", r"weights\.pth are not the weights of .*other\.json: .* has the shape"),
        ("other.json", "notes.txt", r"notes\.txt is not a readable state file"),
        ("other.json", "absent.pth", r"absent\.pth not found"),
        ("only_model.py", "weights.pth", r"only_model\.py has no model and test_pipeline"),
    ],
)
def test_bad_files_are_one_line(bad, here, source, weights, message):
    file = here.network("searched") / weights if weights == "weights.pth" else weights and bad / weights
    with pytest.raises(ssr_mmseg.UserError, match=message) as caught:
        ssr_mmseg.load(bad / source, file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("absent.png", r"image .*absent\.png not found"),
        ("notes.txt", r"notes\.txt cannot be read as an image"),
        (np.zeros((8, 8), np.uint8), r"expected an image of shape \(H, W, 3\), RGB, of uint8, found shape \(8, 8\)"),
        (np.zeros((8, 8, 3), np.float32), "found shape .* of float32"),
        (np.zeros((0, 8, 3), np.uint8), r"found shape \(0, 8, 3\)"),
        (3, "expected an image as a path, a PIL image or an array .*, found int"),
    ],
)
def test_what_is_no_image_is_one_line(bad, searched, image, message):
    image = bad / image if isinstance(image, str) else image
    with pytest.raises(ssr_mmseg.UserError, match=message):
        searched.predict(image)
    with pytest.raises(ssr_mmseg.UserError, match=message):
        searched.predict([image])


def test_a_truncated_pil_image_is_one_line(results, searched, tmp_path):
    data = results.frames()[0].read_bytes()
    (tmp_path / "half.png").write_bytes(data[: len(data) // 2])
    with Image.open(tmp_path / "half.png") as image, pytest.raises(ssr_mmseg.UserError, match="cannot be decoded"):
        searched.predict(image)
