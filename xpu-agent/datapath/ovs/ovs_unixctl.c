#include <config.h>
#include <stdlib.h>

#include "jsonrpc.h"
#include "unixctl.h"
#include "util.h"
#include "xpu-agent/datapath/ovs/ovs_c.h"

char* xpu_ovs_unixctl(const char* socket, const char* command, int argc, char** argv, char** answer) {
  *answer = NULL;
  struct jsonrpc* client;
  int error = unixctl_client_create(socket, &client);
  if (error) {
    return xasprintf("no connection to %s: %s", socket, ovs_strerror(error));
  }
  char* refusal = NULL;
  error = unixctl_client_transact(client, command, argc, argv, answer, &refusal);
  jsonrpc_close(client);
  if (error) {
    return xasprintf("%s: %s", socket, ovs_strerror(error));
  }
  return refusal;
}
