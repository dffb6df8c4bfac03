"""The networks in Keras, as published and as the course has them; each gives logits for 17 classes."""

import keras
from keras import layers as L

from stages import STAGES


def sen2lcz(classes=17, depth=17, width=16, dropout=0.2, fusion="logits", momentum=0.99):
    """Qiu et al. (2020). `fusion` is of the heads' logits, or of their softmaxes; then it gives probabilities."""
    x = inputs = L.Input((32, 32, 10))
    heads = []
    for block in range(4):
        for _ in range((depth - 1) // 4):
            x = L.Conv2D(width << block, 3, padding="same", kernel_initializer="he_normal")(x)
            x = L.ReLU()(L.BatchNormalization(momentum=momentum)(x))
        if block < 3:
            x = L.Concatenate()([L.MaxPooling2D(2)(x), L.AveragePooling2D(2)(x)])
        if block in (1, 2):
            x = L.Dropout(dropout)(x)
        head = L.Dense(classes, kernel_initializer="he_normal")(L.GlobalAveragePooling2D()(x))
        heads.append(head if fusion == "logits" else L.Softmax()(head))
    return keras.Model(inputs, L.Average()(heads))


def convolution(x, filters, kernel, stride, padding, relu=True):
    x = L.Conv2D(filters, kernel, strides=stride, padding=padding)(x)
    x = L.BatchNormalization()(x)
    return L.ReLU()(x) if relu else x


def bottleneck(x, filters, stride, projected):
    narrow, middle, wide = filters
    y = convolution(x, narrow, 1, stride, "valid")
    y = convolution(y, middle, 3, 1, "same")
    y = convolution(y, wide, 1, 1, "valid", relu=False)
    if projected:
        x = convolution(x, wide, 1, stride, "valid", relu=False)
    return L.ReLU()(L.Add()([y, x]))


def resnet50(classes=17):
    inputs = L.Input((32, 32, 10))
    x = convolution(L.ZeroPadding2D(3)(inputs), 64, 7, 2, "valid")
    x = L.MaxPooling2D(3, 2)(x)
    for first, others, count, stride in STAGES:
        x = bottleneck(x, first, stride, projected=True)
        for _ in range(count - 1):
            x = bottleneck(x, others, 1, projected=False)
    x = L.Flatten()(L.AveragePooling2D(2)(x))
    return keras.Model(inputs, L.Dense(classes)(x))


def mlp(classes=17):
    layers = [L.Input((32, 32, 10)), L.Flatten(), L.Dense(128, activation="relu"), L.Dropout(0.2), L.Dense(classes)]
    return keras.Sequential(layers)


BUILD = {"sen2lcz": sen2lcz, "resnet50": resnet50, "mlp": mlp}
