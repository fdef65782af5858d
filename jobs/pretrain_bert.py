"""Pre-trains a BERT encoder by masked language modelling and next-sentence prediction.

gluetune pretrain --config jobs/bert_wikitext_d2l.yaml
gluetune pretrain --config jobs/bert_wikitext_d2l.yaml --text synthetic --vocab-size 2000 --max-steps 400
"""

import sys

from gluetune.cli.commands import run

if __name__ == "__main__":
    sys.exit(run("pretrain"))
