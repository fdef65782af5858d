#!/bin/sh
# Starts the MLflow server as a service of this machine, for the user who runs this, and waits until it answers.
# ~/mlflow.env says where its record is kept: MLFLOW_STORE=<bucket or folder>, and if wanted MLFLOW_DATABASE=postgresql://…
set -eu
service="gluetune-mlflow@$(id -un)"
chmod 600 "$HOME/mlflow.env"
if grep -q YOUR- "$HOME/mlflow.env"; then
    echo "MLFLOW_STORE must name your bucket or folder: edit the line marked <- 2 and run ray up again." >&2
    exit 1
fi
sudo install -m 644 "$(dirname "$0")/gluetune-mlflow@.service" /etc/systemd/system/
sudo systemctl daemon-reload
sudo systemctl enable --quiet "$service"
sudo systemctl restart "$service"
for _ in $(seq 90); do
    if curl -fs http://127.0.0.1:5000/health > /dev/null; then exit 0; fi
    sleep 2
done
journalctl --no-pager -n 30 -u "$service" || true
echo "The MLflow server does not answer; its log is above." >&2
exit 1
