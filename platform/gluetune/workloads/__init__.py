"""The workloads of lanes: fine-tuning trials and pre-training runs.

Each implements `gluetune.lanes.Workload`. A workload is pickled into the lane's actor and from there into its workers.
This package imports none of its modules, so that each process imports only the workload that it runs.
"""
