#pragma once

#include "common/base/loop_inbox.h"
#include "common/loop_rpc/loop_rpc_server.h"
#include "host-agent/service/cni_handler.h"

namespace xpu {

// The methods of xpu.hostagent.v1.CniService. `handler` is not owned; `post` is that of an inbox of the loop
// on which they are served.
LoopRpcServer::Methods CniServiceMethods(CniHandler& handler, const LoopInbox::Post& post);

}  // namespace xpu
