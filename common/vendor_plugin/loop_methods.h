#pragma once

#include <string>

#include "common/base/loop_inbox.h"
#include "common/loop_rpc/loop_rpc_server.h"
#include "common/vendor_plugin/vendor_plugin.h"

namespace xpu {

// The services of a plugin as methods of a LoopRpcServer, each under all three names that clients know it by.
// `plugin` is not owned and outlives them. `responder`: as which the plugin answers a Ping. `post`: of an
// inbox of the server's loop.
LoopRpcServer::Methods VendorPluginMethods(VendorPlugin& plugin, const std::string& responder,
                                           const LoopInbox::Post& post);

}  // namespace xpu
