#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/vendor_plugin/vendor_plugin.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace xpu {

// The services of a plugin for gRPC's library, each under all three names that clients know it by. `plugin`
// is not owned and outlives them. `responder`: as which the plugin answers a Ping.
std::vector<std::unique_ptr<grpc::Service>> MakeVendorPluginServices(VendorPlugin& plugin,
                                                                     const std::string& responder);

}  // namespace xpu
