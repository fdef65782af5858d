# The image of deploy/kuberay/rayjob.yaml, and of any Ray node in a container: docker build -t IMAGE .
FROM rayproject/ray:2.60.0-py311
WORKDIR /home/ray/gluetune
COPY --chown=ray pyproject.toml constraints.txt README.md LICENSE ./
COPY --chown=ray platform platform
RUN pip install --no-cache-dir -c constraints.txt -e ".[cluster]"
COPY --chown=ray jobs jobs
COPY --chown=ray search_spaces search_spaces
# Which parts of the driver the NVIDIA container runtime brings in on GPU nodes.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
