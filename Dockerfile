# The image for one gitsync on each host: `make image` builds it from bin/.
#
#   docker run -d --name gitsync --restart unless-stopped --network host \
#     -v /var/run/docker.sock:/var/run/docker.sock -v gitsync:/var/lib/gitsync \
#     -e GITSYNC_REPO=https://example.com/acme/infra.git \
#     -v /etc/gitsync/token:/token:ro -e GITSYNC_GIT_TOKEN_FILE=/token gitsync
#
# It handles the directory in hosts/ that is named like the machine (docker info).
FROM scratch
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY gitsync /gitsync
# Also where .ssh/ is looked for.
ENV HOME=/
VOLUME /var/lib/gitsync
ENTRYPOINT ["/gitsync"]
CMD ["run", "--agent"]
