"""Fine-tunes an encoder with one configuration, scores a trained model, or predicts.

gluetune finetune --config jobs/cola_tutorial.yaml --data-dir ~/glue_data
gluetune finetune --config jobs/mrpc_gluon.yaml --mode predict --input rows.tsv
"""

import sys

from gluetune.cli.commands import run

if __name__ == "__main__":
    sys.exit(run("finetune"))
