# ERFNet, trained as the derived networks are.
_base_ = [
    './_base_/models/erfnet.py', './_base_/datasets/streets.py', './_base_/schedules/retrain_quick.py', './_base_/default_runtime.py']
