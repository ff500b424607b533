for endpoint in 198.51.100.1:8001 198.51.100.1:8002; do
    h2load --h1 --requests "$1" --clients "$1" "http://$endpoint/" &
done
wait
