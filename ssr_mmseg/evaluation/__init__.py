"""Accuracy of networks: mIoU, overlays of predictions, agreement of logits and statistics over seeds."""
