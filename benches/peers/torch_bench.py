"""Times PyTorch, channels last: eager or compiled, for inference also frozen. Run by run.py; on a GPU (--device cuda, in f32 without
TensorFloat-32) by tests/gpu/run.sh."""

import os

from timing import arguments, report, since_process_start

parser = arguments(__doc__)
parser.add_argument("--compiled", action="store_true")
parser.add_argument("--frozen", action="store_true", help="compiled, with the weights as constants")
parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
given = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(given.threads)
if given.device == "cpu":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
if given.frozen:
    os.environ["TORCHINDUCTOR_FREEZING"] = "1"

import torch
import torch.nn.functional as F

import torch_networks

torch.set_num_threads(given.threads)
torch.manual_seed(0)
torch.backends.cudnn.allow_tf32 = False
network = torch_networks.BUILD[given.model]().to(given.device)
layout = torch.contiguous_format
if given.model != "mlp":
    layout = torch.channels_last
    network = network.to(memory_format=layout)
run = torch.compile(network) if given.compiled or given.frozen else network
batches = 16 if given.mode == "train" else 1
xs = [(torch.rand(given.batch, 10, 32, 32) / 2).contiguous(memory_format=layout).to(given.device) for _ in range(batches)]
ys = [F.one_hot(torch.arange(given.batch) % 17, 17).float().to(given.device) for _ in range(batches)]

if given.mode == "train":
    network.train()
    # Fused Adam is the fastest that PyTorch has here.
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, eps=1e-7, fused=True)

    def one(x, y):
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(run(x), y)
        loss.backward()
        optimizer.step()
        loss.item()

    def step():
        for x, y in zip(xs, ys):
            one(x, y)

    one(xs[0], ys[0])
else:
    network.eval()

    def step():
        # A frozen graph wants no_grad.
        with torch.no_grad() if given.frozen else torch.inference_mode():
            run(xs[0])
        if given.device == "cuda":
            torch.cuda.synchronize()

    step()
first = since_process_start()
kind = "compiled, frozen" if given.frozen else "compiled" if given.compiled else "eager"
report(f"PyTorch {kind} ({torch.__version__}, {given.device})", given, step, given.batch * batches, first)
