"""The course's ResNet-50 for patches of 32 × 32: filters of a stage's first bottleneck and of the others, how many
there are, and the stride of the first."""

STAGES = [
    ((32, 32, 256), (64, 64, 256), 3, 1),
    ((128, 128, 512), (128, 128, 512), 4, 1),
    ((256, 256, 1024), (256, 256, 1024), 6, 2),
    ((512, 512, 2048), (512, 512, 2048), 3, 2),
]
