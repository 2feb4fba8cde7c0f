"""Evaluation of networks: mIoU, pictures of predictions, agreement of logits and statistics over seeds."""
