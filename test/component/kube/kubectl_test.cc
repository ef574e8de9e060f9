// Kubernetes' own kubectl against xpu-apiserver: the everyday verbs work as with a real cluster.
#include "test/component/kube/kubectl_testing.h"

namespace xpu {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST_F(KubectlTest, KindsOfKubernetesItselfAreServed) {
  std::ofstream(folder_ + "/settings.yaml") << "apiVersion: v1\n"
                                               "kind: ConfigMap\n"
                                               "metadata: {name: settings}\n"
                                               "data: {mode: fast}\n"
                                               "---\n"
                                               "apiVersion: v1\n"
                                               "kind: Secret\n"
                                               "metadata: {name: login}\n"
                                               "type: Opaque\n"
                                               "stringData: {password: secret}\n";
  Kubectl("apply --validate=false -f settings.yaml");
  EXPECT_THAT(Kubectl("get cm settings -o jsonpath={.data.mode}"), HasSubstr("fast"));
  EXPECT_THAT(Kubectl("get secrets"), AllOf(HasSubstr("login"), HasSubstr("Opaque")));
  EXPECT_THAT(Kubectl("get secret login -o jsonpath={.data.password}"), HasSubstr("c2VjcmV0"));
  std::ofstream(folder_ + "/others.yaml")
      << "apiVersion: v1\n"
         "kind: Service\n"
         "metadata: {name: web}\n"
         "spec: {type: ClusterIP, clusterIP: 10.96.0.1, ports: [{port: 80}]}\n"
         "---\n"
         "apiVersion: networking.k8s.io/v1\n"
         "kind: NetworkPolicy\n"
         "metadata: {name: closed}\n"
         "spec: {podSelector: {}, policyTypes: [Ingress]}\n";
  Kubectl("apply --validate=false -f others.yaml");
  EXPECT_THAT(Kubectl("get svc"), AllOf(HasSubstr("CLUSTER-IP"), HasSubstr("10.96.0.1")));
  EXPECT_THAT(Kubectl("get netpol closed -o yaml"), HasSubstr("policyTypes"));
  EXPECT_THAT(Kubectl("apply --validate=false -f others.yaml"), HasSubstr("web unchanged"));
  Kubectl("delete -f others.yaml");
}

TEST_F(KubectlTest, KnowsTheKinds) {
  EXPECT_THAT(Kubectl("api-resources"),
              AllOf(HasSubstr("netdevs"), HasSubstr("networks"), HasSubstr("xnet")));
}

TEST_F(KubectlTest, AppliesGetsPatchesAndDeletes) {
  EXPECT_THAT(Kubectl("apply --validate=false -f blue.yaml"),
              HasSubstr("network.xpu.opiproject.org/blue created"));
  EXPECT_THAT(Kubectl("apply --validate=false -f blue.yaml"), HasSubstr("unchanged"));
  EXPECT_THAT(Kubectl("get xnet -l app=demo -o name"), HasSubstr("network.xpu.opiproject.org/blue"));
  Kubectl("patch network blue --type merge -p '{\"spec\": {\"mtu\": 1400}}'");
  Kubectl("label network blue tier=one");
  const auto object = nlohmann::json::parse(Kubectl("get network blue -o json"), nullptr, false);
  ASSERT_TRUE(object.is_object());
  EXPECT_EQ(object["spec"]["mtu"], 1400);
  EXPECT_EQ(object["metadata"]["labels"]["tier"], "one");
  EXPECT_THAT(Kubectl("delete network blue --timeout=20s"), HasSubstr("deleted"));
  EXPECT_THAT(Kubectl("get network blue", /*succeeds=*/false), HasSubstr("NotFound"));
}

TEST_F(KubectlTest, ShowsTheColumnsOfTheKind) {
  Kubectl("apply --validate=false -f blue.yaml");
  const std::string narrow = Kubectl("get networks");
  EXPECT_THAT(narrow, AllOf(HasSubstr("VNI"), HasSubstr("100"), HasSubstr("10.0.0.0/24"), HasSubstr("AGE")));
  EXPECT_THAT(narrow, ::testing::Not(HasSubstr("MTU")));
  EXPECT_THAT(Kubectl("get networks -A -o wide"), AllOf(HasSubstr("MTU"), HasSubstr("NAMESPACE")));
  EXPECT_EQ(Kubectl("get networks -o custom-columns=:.spec.vni --no-headers"), "100\n");
  EXPECT_EQ(Kubectl("get network blue -o jsonpath={.spec.prefixes[0]}"), "10.0.0.0/24");
  EXPECT_THAT(Kubectl("describe network blue"), HasSubstr("10.0.0.0/24"));
  EXPECT_THAT(Kubectl("get networks --chunk-size=1 -o name"), HasSubstr("/blue"));
}

TEST_F(KubectlTest, ShowsTheServersReasons) {
  Kubectl("apply --validate=false -f blue.yaml");
  EXPECT_THAT(Kubectl("patch network blue --type merge -p '{\"spec\": {\"vni\": 7}}'", /*succeeds=*/false),
              AllOf(HasSubstr("spec.vni"), HasSubstr("invalid")));
}

}  // namespace
}  // namespace xpu
