"""Deployment of trained networks: rewriting for inference, ONNX export, quantization and prediction.

Importing this package, `ssr_mmseg.deploy.predict` or `ssr_mmseg.deploy.onnx_model` does not import torch.
"""
