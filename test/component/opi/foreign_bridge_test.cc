// Another vendor's OPI bridge: it has OPI's own services, and not those that we have beside them.

#include <memory>

#include "common/opi/grpc_opi_client.h"
#include "common/opi/port_news.h"
#include "common/rpc/rpc.h"
#include "common/sys/files.h"
#include "gtest/gtest.h"
#include "opi/network/evpn_gw/v1alpha1/evpn_gw.grpc.pb.h"

namespace xpu {
namespace {

TEST(ForeignBridge, WatchersAreToldThatItSaysNothingOfItsPorts) {
  const TemporaryDirectory folder = TemporaryDirectory::Make().value();
  const std::string endpoint = "unix:" + folder.path() + "/bridge.sock";
  evpn::BridgePortService::Service ports;
  const std::unique_ptr<RpcServer> server = RpcServer::Start({endpoint}, {&ports}).value();
  PortNews news;
  const std::unique_ptr<OpiClient> client = GrpcOpiClient::Make(endpoint).value();
  client->WatchPorts(news.Observer());
  EXPECT_TRUE(news.AwaitUnimplemented());
  EXPECT_EQ(news.count(), 1u) << "once, and not that it is gone";
  client->WatchPorts(nullptr);
}

}  // namespace
}  // namespace xpu
