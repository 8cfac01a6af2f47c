"""List the public names and where they are defined: for type checkers, and to load them lazily."""

from .errors import InputError as InputError
from .evaluation.compare import compare as compare
from .evaluation.images import evaluate_images as evaluate_images
from .evaluation.measure import measure as measure
from .evaluation.metrics import evaluate as evaluate
from .evaluation.metrics import evaluate_classes as evaluate_classes
from .evaluation.residual import check_removed as check_removed
from .evaluation.roc import evaluate_probability as evaluate_probability
from .image import Image as Image
from .inference.decoding import decode as decode
from .inference.denoise.job import denoise as denoise
from .inference.object_size import estimate_object_size as estimate_object_size
from .inference.seams import seam_test as seam_test
from .inference.segment import segment as segment
from .io import read_image as read_image
from .model import Model as Model
from .model import load_model as load_model
from .progress import Job as Job
from .progress import run as run
from .recipe import Recipe as Recipe
from .session.project import Project as Project
from .targets.paint import Paint as Paint
from .training.pairs.fitness import apply_remedies as apply_remedies
from .training.pairs.fitness import check_pairs as check_pairs
from .training.pairs.sources import Pairs as Pairs
from .training.pairs.sources import channel_pairs as channel_pairs
from .training.pairs.sources import file_pairs as file_pairs
from .training.pairs.sources import frame_pairs as frame_pairs
from .training.pairs.sources import layer_pairs as layer_pairs
from .training.pairs.sources import single_pairs as single_pairs
from .training.pairs.sources import slice_pairs as slice_pairs
from .training.train import train as train
from .training.train_denoiser import train_denoiser as train_denoiser

__version__: str
